//! Numbers that are weak in one way and in no other.

use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey};

use super::*;

/// Digits in base 256, the highest first.
fn times(n: &mut Vec<u8>, factor: u64) {
    let mut carry = 0;
    for digit in n.iter_mut().rev() {
        carry += u64::from(*digit) * factor;
        *digit = carry as u8;
        carry >>= 8;
    }
    while carry > 0 {
        n.insert(0, carry as u8);
        carry >>= 8;
    }
}

fn plus(n: &mut [u8], summand: u64) {
    let mut carry = summand;
    for digit in n.iter_mut().rev() {
        carry += u64::from(*digit);
        *digit = carry as u8;
        carry >>= 8;
    }
}

fn modulo(n: &[u8], prime: u64) -> u64 {
    n.iter().fold(0, |remainder, digit| (remainder << 8 | u64::from(*digit)) % prime)
}

fn primes() -> Vec<u64> {
    (3..752).filter(|n| (2..*n).all(|divisor| n % divisor != 0)).collect()
}

/// An odd number of 2048 bits that nobody chose.
fn odd() -> Vec<u8> {
    let mut n = vec![0; 256];
    aws_lc_rs::rand::fill(&mut n).unwrap();
    n[0] |= 0x80;
    n[255] |= 1;
    n
}

/// The powers of 65537.
fn powers(prime: u64) -> Vec<u64> {
    let mut powers = vec![1];
    while let Some(next) = powers.last().map(|last| last * 65_537 % prime).filter(|next| *next != 1)
    {
        powers.push(next);
    }
    powers
}

#[test]
fn every_small_prime_factor_is_found() {
    for length in [256, 509] {
        let mut n = [odd(), odd()].concat();
        n.truncate(length);
        n[length - 1] |= 1;
        for prime in primes() {
            let mut n = n.clone();
            let missing = prime - modulo(&n, prime);
            plus(&mut n, missing);
            let others = |n: &[u8]| primes().iter().any(|p| *p != prime && modulo(n, *p) == 0);
            while n[length - 1] & 1 == 0 || others(&n) {
                plus(&mut n, prime);
            }
            assert_eq!(modulus(&n), Some("has a prime factor below 752"), "{prime}");
        }
        while primes().iter().any(|prime| modulo(&n, *prime) == 0) {
            plus(&mut n, 2);
        }
        assert_eq!(modulus(&n), None, "{length}");
    }
}

#[test]
fn square_is_no_modulus() {
    for length in [128, 192, 256, 512] {
        let mut root = odd()[..length.min(256)].to_vec();
        root.resize(length, 0x5b);
        root[length - 1] |= 1;
        while primes().iter().any(|prime| modulo(&root, *prime) == 0) {
            plus(&mut root, 2);
        }
        let mut square = vec![0; 2 * length];
        for (shift, digit) in root.iter().rev().enumerate() {
            let mut row = root.clone();
            times(&mut row, u64::from(*digit));
            row.resize(row.len() + shift, 0);
            let mut carry = 0;
            let low = row.into_iter().rev().chain(std::iter::repeat(0));
            for (sum, summand) in square.iter_mut().rev().zip(low) {
                carry += u64::from(*sum) + u64::from(summand);
                *sum = carry as u8;
                carry >>= 8;
            }
        }
        assert_eq!(modulus(&square), Some("is a square"), "{length}");
        // As far from one as a number without a small factor can be.
        plus(&mut square, 2);
        while primes().iter().any(|prime| modulo(&square, *prime) == 0) {
            plus(&mut square, 2);
        }
        assert_eq!(modulus(&square), None, "{length}");
    }
}

#[test]
fn placeholders_are_no_moduli() {
    let mut n = odd();
    n[255] &= 0xfe;
    assert_eq!(modulus(&n), Some("is even"));
    for block in [&[0xff][..], &[0xaa, 0x55], b"deadbeef deadbeef", &odd()[128..]] {
        for length in [256, 384, 512] {
            let n: Vec<u8> = block.iter().copied().cycle().take(length).collect();
            if length % block.len() == 0 && n[length - 1] & 1 == 1 {
                assert_eq!(modulus(&n), Some("is a repeated block of bytes"), "{block:?}");
            }
        }
    }
    assert!(modulus(&[]).is_some() && modulus(&[1]).is_some() && modulus(&[3]).is_some());
}

/// The most that one reads of CVE-2017-15361 is about 65537^a + k·M, of which the primes divide M.
#[test]
fn roca_fingerprint_is_found() {
    let chosen: Vec<u64> = primes().into_iter().take_while(|prime| *prime <= 167).collect();
    assert_eq!(chosen.len(), 38);
    let sound = |n: &[u8]| primes().iter().all(|prime| modulo(n, *prime) != 0);
    let made = |of: &[u64], exponent: u32| {
        let mut n = odd()[..230].to_vec();
        times(&mut n, 2);
        of.iter().for_each(|prime| times(&mut n, *prime));
        plus(&mut n, 65_537_u64.pow(exponent));
        n
    };
    for exponent in 0..4 {
        let mut n = made(&chosen, exponent);
        while !sound(&n) {
            n = made(&chosen, exponent);
        }
        let expected = Some("was made by the library of CVE-2017-15361 (ROCA)");
        assert_eq!(modulus(&n), expected, "{exponent}");
    }
    // One prime that says no is enough.
    for prime in &chosen {
        let powers = powers(*prime);
        if powers.len() as u64 == prime - 1 {
            continue;
        }
        let others: Vec<u64> = chosen.iter().copied().filter(|other| other != prime).collect();
        let mut n = made(&others, 1);
        while !sound(&n) || powers.contains(&modulo(&n, *prime)) {
            n = made(&others, 1);
        }
        assert_eq!(modulus(&n), None, "{prime}");
    }
}

/// The bits of the published test (crocs-muni/roca), one for each power.
#[test]
fn roca_fingerprint_is_the_published_one() {
    for (prime, bits) in [
        (11, 1_026_u128),
        (13, 5_658),
        (17, 107_286),
        (19, 199_410),
        (37, 67_109_890),
        (61, 1_455_791_217_086_302_986),
        (71, 20_052_041_432_995_567_486),
        (79, 207_530_445_072_488_465_666),
        (107, 50_079_290_986_288_516_948_354_744_811_034),
        (109, 473_022_961_816_146_413_042_658_758_988_474),
    ] {
        for number in 1..prime {
            assert_eq!(is_power(number, prime), bits >> number & 1 == 1, "{number} of {prime}");
        }
    }
}

#[test]
fn every_small_order_encoding_is_refused() {
    let below = |low: u8| {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (low, 0x7f);
        y
    };
    let number = |low: u8| {
        let mut y = [0; 32];
        y[0] = low;
        y
    };
    let of_order_8 = [SMALL_ORDER[2], SMALL_ORDER[3]];
    let mut encodings = vec![number(0), number(1), below(0xec), below(0xed), below(0xee)];
    encodings.extend(of_order_8);
    for mut y in encodings {
        assert!(ed25519(&y).is_some(), "{y:?}");
        y[31] |= 0x80;
        assert!(ed25519(&y).is_some(), "{y:?}");
    }
    // The rest of what is not below the prime.
    for low in 0xed..=0xff {
        assert_eq!(ed25519(&below(low)), Some("is not below 2^255 - 19"));
    }
    assert_eq!(ed25519(&[0xff; 32]), Some("is not below 2^255 - 19"));
    assert_eq!(ed25519(&below(0xeb)), None);
    assert_eq!(ed25519(&number(2)), None);
    let mut y = [0x66; 32];
    y[0] = 0x58;
    assert_eq!(ed25519(&y), Some(GENERATOR));
}

#[test]
fn key_of_which_the_private_part_is_1_is_refused() {
    for (curve, length) in [(&ECDH_P256, 32), (&ECDH_P384, 48), (&ECDH_P521, 66)] {
        let x = |private: u8| {
            let mut bytes = vec![0; length];
            bytes[length - 1] = private;
            let public = PrivateKey::from_private_key(curve, &bytes).unwrap();
            let point = public.compute_public_key().unwrap().as_ref().to_vec();
            let x = &point[1..=length];
            x[x.iter().take_while(|byte| **byte == 0).count()..].to_vec()
        };
        assert_eq!(coordinate(&x(1)), Some(GENERATOR), "{length}");
        assert_eq!(coordinate(&x(2)), None, "{length}");
    }
}
