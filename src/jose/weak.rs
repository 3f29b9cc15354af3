//! Keys that somebody else than their owner can sign with. Finding them takes a few microseconds, because
//! providers read keys for each request.

use crate::jose::invalid::Fault;

/// The odd primes up to 751, which NIST SP 800-89 §5.3.3 names.
const PRIMES: [u64; 132] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193,
    197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283, 293, 307,
    311, 313, 317, 331, 337, 347, 349, 353, 359, 367, 373, 379, 383, 389, 397, 401, 409, 419, 421,
    431, 433, 439, 443, 449, 457, 461, 463, 467, 479, 487, 491, 499, 503, 509, 521, 523, 541, 547,
    557, 563, 569, 571, 577, 587, 593, 599, 601, 607, 613, 617, 619, 631, 641, 643, 647, 653, 659,
    661, 673, 677, 683, 691, 701, 709, 719, 727, 733, 739, 743, 751,
];

/// How many of them multiply to less than 2^63.
const AT_A_TIME: usize = 6;

/// Those that the makers of the test for CVE-2017-15361 chose. A sound key passes for a weak one once in
/// 200 million times.
const FINGERPRINT: usize = 38;

/// Why the modulus of an RSA key can be factored, given that its first byte is not zero.
pub(super) fn modulus(n: &[u8]) -> Option<&'static str> {
    if n.last().is_none_or(|last| last & 1 == 0) {
        return Some("is even");
    }
    // Such as 256 times `ff`: n is the block times a number of which the factors are known.
    if [2, 3]
        .into_iter()
        .any(|times| n.get(n.len() / times..) == n.get(..n.len() - n.len() / times))
    {
        return Some("is a repeated block of bytes");
    }
    let limbs: Vec<u64> = n.rchunks(8).map(big_endian).collect();
    let remainders = remainders(&limbs);
    if remainders.iter().any(|(remainder, _)| *remainder == 0) {
        return Some("has a prime factor below 752");
    }
    // A square is one modulo every prime, and any other number modulo half of them.
    if remainders.iter().all(|(remainder, prime)| is_square(*remainder, *prime)) {
        return Some("is a square");
    }
    if PRIMES.iter().take(FINGERPRINT).all(|prime| is_power(remainder(&limbs, *prime), *prime)) {
        return Some("was made by the library of CVE-2017-15361 (ROCA)");
    }
    None
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A remainder, by the product of some primes.
struct Lane<'a> {
    primes: &'a [u64],
    product: u64,
    /// Negative, modulo 2^64.
    inverse: u64,
    remainder: u64,
}

impl<'a> Lane<'a> {
    fn new(primes: &'a [u64]) -> Self {
        let product: u64 = primes.iter().product();
        // Newton's iteration doubles the bits of the inverse that are right: of an odd number 3 are.
        let inverse = (0..5).fold(product, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(product.wrapping_mul(inverse)))
        });
        Self { primes, product, inverse: inverse.wrapping_neg(), remainder: 0 }
    }

    /// Montgomery's reduction: it divides by 2^64, which does not change whether there is a remainder.
    fn add(&mut self, limb: u64) {
        let sum = u128::from(self.remainder) + u128::from(limb);
        let multiple = (sum as u64).wrapping_mul(self.inverse);
        let sum = sum + u128::from(multiple) * u128::from(self.product);
        self.remainder = (sum >> 64) as u64;
    }
}

/// The remainders of a number, of which the lowest limb comes first, by the primes. They are multiplied by
/// an even power of 2, and so by a square.
fn remainders(limbs: &[u64]) -> Vec<(u64, u64)> {
    let mut lanes: Vec<Lane<'static>> = PRIMES.chunks(AT_A_TIME).map(Lane::new).collect();
    for limb in limbs {
        // One does not wait for the other.
        lanes.iter_mut().for_each(|lane| lane.add(*limb));
    }
    let of =
        |lane: Lane<'static>| lane.primes.iter().map(move |prime| (lane.remainder % prime, *prime));
    lanes.into_iter().flat_map(of).collect()
}

/// Euler's criterion.
fn is_square(number: u64, prime: u64) -> bool {
    let (mut power, mut square, mut exponent) = (1, number, prime / 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power * square % prime;
        }
        square = square * square % prime;
        exponent >>= 1;
    }
    power == 1
}

fn remainder(limbs: &[u64], prime: u64) -> u64 {
    limbs.iter().rev().fold(0, |remainder, limb| {
        let high = (remainder << 32 | limb >> 32) % prime;
        (high << 32 | limb & 0xffff_ffff) % prime
    })
}

/// Whether it is a power of 65537 modulo the prime. Both factors of a modulus that the library made
/// are, and so is the modulus (Nemec et al., "The Return of Coppersmith's Attack", §2).
fn is_power(number: u64, prime: u64) -> bool {
    let mut power = 1;
    loop {
        power = power * 65_537 % prime;
        if power == number {
            return true;
        }
        if power == 1 {
            return false;
        }
    }
}

/// Why whoever sees the key of this encoding (RFC 8032 §5.1.2) can sign for it, or nobody.
pub(super) fn ed25519(x: &[u8; 32]) -> Option<&'static str> {
    let mut y = *x;
    // The sign does not matter.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let [first, middle @ .., last] = y;
    // 2^255 - 19 and what is above: RFC 8032 §5.1.3 refuses them, and some libraries reduce them.
    if first >= 0xed && middle == [0xff; 30] && last == 0x7f {
        return Some("is not below 2^255 - 19");
    }
    if SMALL_ORDER.contains(&y) {
        return Some("is a point of small order");
    }
    (y == ED25519_GENERATOR).then_some(GENERATOR)
}

const GENERATOR: &str = "is that of the generator of the curve, of which the private key is 1";

/// The y-coordinates of the eight points of which the order divides 8: what they sign does not depend
/// on what is signed.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// 4/5.
const ED25519_GENERATOR: [u8; 32] = {
    let mut y = [0x66; 32];
    y[0] = 0x58;
    y
};

/// Whether the x-coordinate, without leading zeros, is that of the generator of a curve.
pub(super) fn coordinate(x: &[u8]) -> Option<&'static str> {
    [&P256_GENERATOR[..], &P384_GENERATOR, &P521_GENERATOR].contains(&x).then_some(GENERATOR)
}

// SP 800-186 §3.2.1.
const P256_GENERATOR: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const P384_GENERATOR: [u8; 48] = [
    0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3, 0x20, 0xad, 0x74,
    0x6e, 0x1d, 0x3b, 0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41, 0xe0, 0x82, 0x54, 0x2a, 0x38,
    0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55, 0x29, 0x6c, 0x3a, 0x54, 0x5e, 0x38, 0x72, 0x76, 0x0a, 0xb7,
];
const P521_GENERATOR: [u8; 65] = [
    0xc6, 0x85, 0x8e, 0x06, 0xb7, 0x04, 0x04, 0xe9, 0xcd, 0x9e, 0x3e, 0xcb, 0x66, 0x23, 0x95, 0xb4,
    0x42, 0x9c, 0x64, 0x81, 0x39, 0x05, 0x3f, 0xb5, 0x21, 0xf8, 0x28, 0xaf, 0x60, 0x6b, 0x4d, 0x3d,
    0xba, 0xa1, 0x4b, 0x5e, 0x77, 0xef, 0xe7, 0x59, 0x28, 0xfe, 0x1d, 0xc1, 0x27, 0xa2, 0xff, 0xa8,
    0xde, 0x33, 0x48, 0xb3, 0xc1, 0x85, 0x6a, 0x42, 0x9b, 0xf9, 0x7e, 0x7e, 0x31, 0xc2, 0xe5, 0xbd,
    0x66,
];

/// What is said of a key that is well known.
pub(super) const WELL_KNOWN_KEY: Fault = Fault::whole("has a private key that everybody knows");

/// Whether everybody knows the private key, by the end of the modulus or coordinate.
pub(super) fn is_well_known(part: &[u8; 32]) -> bool {
    part.first_chunk().is_some_and(|begin| WELL_KNOWN.contains(&u64::from_be_bytes(*begin)))
}

/// The first 8 of the last 32 bytes. Programs have such keys from examples and from generators that had no
/// randomness.
const WELL_KNOWN: [u64; 33] = [
    // Ed25519 of 32 bytes 0, of 1, of ff, and of 0 to 31.
    0x3b6a_27bc_ceb6_a42d,
    0x8a88_e3dd_7409_f195,
    0x76a1_5920_44a6_e4f5,
    0x03a1_07bf_f3ce_10be,
    // RFC 8032 §7.1 (and RFC 8037 A.1).
    0xd75a_9801_82b1_0ab7,
    0x3d40_17c3_e843_895a,
    0xfc51_cd8e_6218_a1a3,
    0x2781_17fc_144c_7234,
    0xec17_2b93_ad5e_563b,
    // RFC 7515 A.2, A.3, A.4.
    0x9a18_d8fc_ab67_ad84,
    0x7fcd_ce27_70f6_c45d,
    0x1a57_a791_0e9d_81bf,
    // RFC 7516 A.1, A.2.
    0x01ff_8354_256f_d3a8,
    0xc2da_d7a3_bdc2_3606,
    // RFC 7517 A.2, C.1.
    0x30a0_424c_d21c_2944,
    0xbfc4_19e2_22a6_f0d0,
    0xf5fc_8f2c_2c6b_9289,
    // RFC 7520 §3.2, §3.4.
    0xc625_fe82_57bb_d039,
    0x7faa_2c68_47b8_e283,
    // RFC 6979 A.2.5 to A.2.7.
    0x60fe_d4ba_255a_9d31,
    0xda9a_8bc4_ae92_e02e,
    0x23d4_6e45_db6b_5d53,
    // The examples of jwt.io, which every tutorial has.
    0x5df8_6ca7_d68d_022d,
    0x115b_3fa3_9fae_41b4,
    0x6c31_74ce_8f5f_da7e,
    0xcdbf_749c_84ed_2547,
    // The generator of Ed25519 plus a point of small order: S·B signs one message in 8.
    0x9851_9ead_f35b_9952,
    0x9bad_33f5_80df_7ecc,
    0xda99_e28b_a529_cdde,
    0x9599_9999_9999_9999,
    0x55ae_6152_0ca4_66ad,
    0x5252_cc0a_7f20_8133,
    0x1366_1d74_5ad6_3221,
];

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
