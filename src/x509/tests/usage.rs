use store_harness::certificate::{Certificate, element};

use crate::x509::usage::{KeyUsage, Signature, allows};

const KEY_USAGE: &str = "2.5.29.15";

fn with(bits: &[u8]) -> Vec<u8> {
    Certificate::new().critical(KEY_USAGE, &element(0x03, bits)).der()
}

#[test]
fn rfc5280_4_2_1_3_key_is_used_for_what_is_stated() {
    let may = |der: &[u8]| {
        [KeyUsage::DigitalSignature, KeyUsage::CertificateSign].map(|usage| allows(der, usage).ok())
    };
    assert_eq!(may(&Certificate::new().der()), [Some(true), Some(true)], "nothing is stated");
    assert_eq!(may(&with(&[7, 0x80])), [Some(true), Some(false)]);
    assert_eq!(may(&with(&[2, 0x04])), [Some(false), Some(true)]);
    assert_eq!(may(&with(&[0, 0x84, 0x80])), [Some(true), Some(true)]);
    assert_eq!(may(&with(&[6, 0x40])), [Some(false), Some(false)]);
    // No bit at all.
    assert_eq!(may(&with(&[0])), [Some(false), Some(false)]);
    assert_eq!(may(&with(&[])), [Some(false), Some(false)]);
    let usage = element(0x03, &[7, 0x80]);
    let twice = Certificate::new().critical(KEY_USAGE, &usage).extension(KEY_USAGE, &usage);
    assert_eq!(may(&twice.der()), [None, None]);
    let other = Certificate::new().extension(KEY_USAGE, &element(0x04, &[7, 0x80]));
    assert_eq!(may(&other.der()), [None, None]);
    assert_eq!(may(b"no certificate"), [None, None]);
}

#[test]
fn what_is_short_or_changed_is_read_without_a_panic() {
    let der = with(&[7, 0x80]);
    for at in 0..der.len() {
        for changed in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut other = der.clone();
            other[at] = changed;
            let _ = (allows(&other, KeyUsage::DigitalSignature), Signature::of(&other).is_ok());
        }
        assert!(allows(&der[..at], KeyUsage::DigitalSignature).is_err());
        assert!(Signature::of(&der[..at]).is_err());
    }
}
