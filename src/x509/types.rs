//! The types of attributes: their names and OIDs.

use std::fmt::Write as _;

/// What a type is called and how its OID is in DER. The first name is the one that is printed, which is that
/// of RFC 4514 §3 where it has one; the others are what programs print.
struct Type {
    oid: &'static [u8],
    names: &'static [&'static str],
}

const X500_UNIQUE_IDENTIFIER: &[u8] = &[0x55, 4, 45];

const TYPES: &[Type] = &[
    Type { oid: &[0x55, 4, 3], names: &["CN", "commonName"] },
    Type { oid: &[0x55, 4, 6], names: &["C", "countryName"] },
    Type { oid: &[0x55, 4, 10], names: &["O", "organizationName"] },
    Type { oid: &[0x55, 4, 11], names: &["OU", "organizationalUnitName"] },
    Type { oid: &[0x55, 4, 7], names: &["L", "localityName"] },
    Type { oid: &[0x55, 4, 8], names: &["ST", "S", "stateOrProvinceName"] },
    Type { oid: &[0x55, 4, 9], names: &["STREET", "streetAddress"] },
    Type {
        oid: &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        names: &["DC", "domainComponent"],
    },
    Type {
        oid: &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        names: &["UID", "userId"],
    },
    Type { oid: &[0x55, 4, 4], names: &["SN", "surname"] },
    Type { oid: &[0x55, 4, 5], names: &["serialNumber"] },
    Type { oid: &[0x55, 4, 12], names: &["title", "T"] },
    Type { oid: &[0x55, 4, 15], names: &["businessCategory"] },
    Type { oid: &[0x55, 4, 17], names: &["postalCode"] },
    Type { oid: &[0x55, 4, 41], names: &["name"] },
    Type { oid: &[0x55, 4, 42], names: &["GN", "givenName"] },
    Type { oid: &[0x55, 4, 43], names: &["initials"] },
    Type { oid: &[0x55, 4, 44], names: &["generationQualifier"] },
    Type { oid: X500_UNIQUE_IDENTIFIER, names: &["x500UniqueIdentifier"] },
    Type { oid: &[0x55, 4, 46], names: &["dnQualifier"] },
    Type { oid: &[0x55, 4, 65], names: &["pseudonym"] },
    Type { oid: &[0x55, 4, 97], names: &["organizationIdentifier"] },
    Type {
        oid: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01],
        names: &["emailAddress", "E", "EMAIL"],
    },
    Type {
        oid: &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x01],
        names: &["jurisdictionL", "jurisdictionLocalityName"],
    },
    Type {
        oid: &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x02],
        names: &["jurisdictionST", "jurisdictionStateOrProvinceName"],
    },
    Type {
        oid: &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x03],
        names: &["jurisdictionC", "jurisdictionCountryName"],
    },
];

/// The name that is printed.
pub(super) fn name(oid: &[u8]) -> Option<&'static str> {
    TYPES.iter().find(|known| known.oid == oid).and_then(|known| known.names.first().copied())
}

pub(super) fn oid_of(name: &str) -> Option<&'static [u8]> {
    let known = TYPES
        .iter()
        .find(|known| known.names.iter().any(|known| known.eq_ignore_ascii_case(name)))?;
    Some(known.oid)
}

/// Whether letter case and spaces do not matter. All others are compared exactly: nobody knows what matters.
pub(super) fn is_folded(oid: &[u8]) -> bool {
    oid != X500_UNIQUE_IDENTIFIER && TYPES.iter().any(|known| known.oid == oid)
}

/// The DER of a dotted OID. Its numbers may be as large as a UUID.
pub(crate) fn from_dotted(text: &str) -> Option<Vec<u8>> {
    let mut numbers = text.split('.').map(|number| {
        let canonical = number == "0" || !number.starts_with('0');
        let digits = canonical && number.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| number.parse::<u128>().ok()).flatten()
    });
    let (first, second) = (numbers.next()??, numbers.next()??);
    if first > 2 || first < 2 && second >= 40 {
        return None;
    }
    let mut oid = Vec::new();
    push_number(&mut oid, second.checked_add(first * 40)?);
    for number in numbers {
        push_number(&mut oid, number?);
    }
    Some(oid)
}

fn push_number(oid: &mut Vec<u8>, number: u128) {
    let [.., low] = number.to_be_bytes();
    let groups = (128 - number.leading_zeros()).div_ceil(7).max(1);
    for group in (1..groups).rev() {
        let [.., bits] = (number >> (7 * group)).to_be_bytes();
        oid.push(bits | 0x80);
    }
    oid.push(low & 0x7f);
}

/// The numbers of the DER of an OID, of which the first is the first two.
fn numbers(oid: &[u8]) -> impl Iterator<Item = Option<u128>> {
    oid.split_inclusive(|byte| byte & 0x80 == 0).map(|groups| {
        // X.690 §8.19.2: no leading zeros.
        let whole = groups.first() != Some(&0x80) && groups.last().is_some_and(u8::is_ascii);
        let number =
            |number: u128, byte: &u8| Some(number.checked_mul(0x80)? | u128::from(byte & 0x7f));
        whole.then(|| groups.iter().try_fold(0, number)).flatten()
    })
}

/// Whether it is the DER of an OID, with no number that is larger than a UUID.
pub(super) fn is_oid(oid: &[u8]) -> bool {
    !oid.is_empty() && numbers(oid).all(|number| number.is_some())
}

/// The dotted form of an OID that was [checked](is_oid).
pub(super) fn to_dotted(oid: &[u8]) -> String {
    let mut dotted = String::new();
    for number in numbers(oid).flatten() {
        if dotted.is_empty() {
            let first = (number / 40).min(2);
            let _ = write!(dotted, "{first}.{}", number - 40 * first);
        } else {
            let _ = write!(dotted, ".{number}");
        }
    }
    dotted
}
