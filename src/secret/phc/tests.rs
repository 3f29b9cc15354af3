#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use crate::secret::spent;

const SALT_AND_HASH: &str = "$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

fn read(kind: &str) -> Result<Phc, InvalidPhc> {
    Phc::parse(&format!("${kind}{SALT_AND_HASH}"))
}

// A hash that fails before it is computed takes no time: as a decoy it would tell who exists.
#[test]
fn what_is_accepted_is_computed() {
    for kind in [
        "argon2id$v=19$m=8,t=1,p=1",
        "argon2id$v=16$m=8,t=1,p=1",
        "argon2id$m=8,t=1,p=1",
        "argon2id$v=19$m=8,t=1,p=1,keyid=AAAAAAAAAAA",
        "argon2id$v=19$m=8,t=1,p=1,keyid=AA,data=AAAA",
        "argon2id$v=19$m=512,t=1,p=64",
        "scrypt$ln=0,r=1,p=1",
        "scrypt$ln=1,r=1,p=1",
        "scrypt$ln=1,r=3,p=5",
        "pbkdf2-sha256$i=1000,l=16",
        "pbkdf2-sha512$i=1000,l=16",
    ] {
        let phc = read(kind).map_err(|error| format!("{kind}: {error}")).unwrap();
        for presented in ["s3cr3t", ""] {
            let wrong = phc.algorithm.verify(presented.as_bytes(), &phc.hash);
            assert_eq!(wrong, Err(Error::PasswordInvalid), "{kind} {presented}");
        }
    }
    for kind in [
        "argon2id$v=0$m=8,t=1,p=1",
        "argon2id$v=18$m=8,t=1,p=1",
        "argon2id$v=20$m=8,t=1,p=1",
        "argon2id$v=4294967295$m=8,t=1,p=1",
        "argon2id$v=19$m=8,t=1,p=1,keyid=AAAAAAAAAAAAAA",
        "argon2id$v=19$m=7,t=1,p=1",
        "argon2id$v=19$m=8,t=0,p=1",
        "argon2id$v=19$m=8,t=1,p=0",
        "argon2i$v=19$m=8,t=1,p=1",
        "scrypt$v=1$ln=1,r=1,p=1",
        "scrypt$ln=1,r=0,p=1",
        "scrypt$ln=1,r=1,p=0",
        "scrypt$ln=63,r=1,p=1",
        "scrypt$ln=64,r=1,p=1",
        "pbkdf2-sha256$v=1$i=1000,l=16",
        "pbkdf2-sha256$i=999,l=16",
        // Which of two is meant, nobody knows.
        "argon2id$v=19$m=8,m=9,t=1,p=1",
        "scrypt$ln=1,r=1,r=65536,p=65536",
        "pbkdf2-sha256$i=1000,l=16,i=1000",
        "pbkdf2-sha256$i=1000,l=17",
        "pbkdf2-sha256$i=1000",
    ] {
        assert_eq!(read(kind).map(|_| kind), Err(InvalidPhc::OTHER), "{kind}");
    }
}

// In 32 bits their product is small again, or, where overflow is checked, a panic.
#[test]
fn scrypt_parameters_are_multiplied_without_overflow() {
    let dear = InvalidPhc("scrypt may compute at most 2^25 blocks, N * r * p");
    for parameters in [
        "ln=1,r=65536,p=65536",
        "ln=1,r=65537,p=65536",
        "ln=1,r=4294967295,p=4294967295",
        "ln=1,r=4294967295,p=2",
        "ln=0,p=536870912",
        "ln=20,r=1,p=64",
    ] {
        let read = read(&format!("scrypt${parameters}")).map(|_| ());
        assert_eq!(read, Err(dear), "{parameters}");
    }
}

#[test]
fn empty_secret_is_none_even_where_it_was_hashed() {
    // PBKDF2 of an empty password, by Python's hashlib.
    let hash = "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHQ$PgZh7gahAL7ZcynQb3HBarjKdqFLfcH+atPymuPv/9s";
    let phc = Phc::parse(hash).unwrap();
    assert_eq!(phc.algorithm.verify(b"", &phc.hash), Ok(()));
    assert!(!phc.matches(b""));
}

#[test]
fn cost_follows_each_parameter() {
    let cost = |kind: &str| read(kind).unwrap().cost();
    assert_eq!(cost("scrypt$ln=2,r=2,p=3"), 3 * cost("scrypt$ln=2,r=2,p=1"));
    assert_eq!(cost("scrypt$ln=2,r=2,p=1"), 4 * cost("scrypt$ln=1,r=1,p=1"));
    let blocks = |length: usize| {
        let output = "A".repeat(length * 4 / 3);
        let hash = format!("$pbkdf2-sha256$i=1000,l={length}$c2FsdHNhbHQ${output}");
        Phc::parse(&hash).unwrap().cost()
    };
    assert_eq!(blocks(48), 2 * blocks(24));
}

#[test]
fn part_of_a_hash_costs_that_part() {
    for kind in ["argon2id$v=19$m=1024,t=1,p=4", "scrypt$ln=4,r=8,p=4", "pbkdf2-sha256$i=8000,l=16"]
    {
        let phc = read(kind).unwrap();
        for eighths in [1, 2, 4, 8, 12, 16] {
            let part = phc.cost() / 8 * eighths;
            spent::take();
            phc.spend(b"x", part);
            let spent = spent::take();
            assert!(spent.abs_diff(part) * 100 <= part, "{kind} {eighths} {spent} {part}");
        }
    }
    // There is no smaller one of so many lanes, or of so few iterations.
    for kind in ["argon2id$v=19$m=64,t=1,p=4", "pbkdf2-sha256$i=1200,l=16"] {
        let phc = read(kind).unwrap();
        spent::take();
        phc.spend(b"x", phc.cost() / 4);
        assert!(spent::take() >= phc.cost() / 2, "{kind}");
    }
}
