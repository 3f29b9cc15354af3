//! What is tried: who else keeps the server busy, and how it is set.

use std::time::Duration;

use tokio::sync::Semaphore;

/// What others do meanwhile.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pressure {
    /// They guess secrets that are stored as argon2id.
    Hashes,
    /// They send assertions of ES512 that are wrong.
    Signatures,
    /// They begin requests, and send no more.
    Bodies,
    /// They send assertions that are right, and Redis is slow.
    Redis,
}

pub(super) struct Trial {
    pub(super) pressure: Pressure,
    pub(super) setting: &'static str,
    pub(super) workers: fn(cores: usize) -> usize,
    pub(super) algorithms: &'static [&'static str],
    pub(super) deadline: Option<Duration>,
    /// How many requests the inner service lets in.
    pub(super) places: usize,
    pub(super) ready_after_auth: bool,
}

const DEFAULT: Trial = Trial {
    pressure: Pressure::Hashes,
    setting: "by default",
    workers: |cores| cores,
    algorithms: &["ES256", "ES512", "HS256"],
    deadline: None,
    places: Semaphore::MAX_PERMITS,
    ready_after_auth: false,
};

pub(super) const TRIALS: [Trial; 11] = [
    Trial { setting: "64 hash workers", workers: |_| 64, ..DEFAULT },
    DEFAULT,
    Trial {
        setting: "one hash worker less than cores",
        workers: |cores| cores.saturating_sub(1).max(1),
        ..DEFAULT
    },
    Trial { pressure: Pressure::Signatures, ..DEFAULT },
    Trial {
        pressure: Pressure::Signatures,
        setting: "`signing_algs` without ES512",
        algorithms: &["ES256", "HS256"],
        ..DEFAULT
    },
    Trial { pressure: Pressure::Bodies, ..DEFAULT },
    Trial {
        pressure: Pressure::Bodies,
        setting: "`body_deadline` of a second, after which they begin anew",
        deadline: Some(Duration::from_secs(1)),
        ..DEFAULT
    },
    Trial { pressure: Pressure::Bodies, setting: "16 places inside", places: 16, ..DEFAULT },
    Trial {
        pressure: Pressure::Bodies,
        setting: "16 places inside, `ready_after_auth`",
        places: 16,
        ready_after_auth: true,
        ..DEFAULT
    },
    Trial { pressure: Pressure::Redis, setting: "16 places inside", places: 16, ..DEFAULT },
    Trial {
        pressure: Pressure::Redis,
        setting: "16 places inside, `ready_after_auth`",
        places: 16,
        ready_after_auth: true,
        ..DEFAULT
    },
];

impl Pressure {
    /// Those that ask again and again, each on a connection of its own.
    pub(super) const fn strangers(self) -> usize {
        match self {
            Self::Hashes => 16,
            Self::Signatures => 32,
            Self::Bodies => 0,
            Self::Redis => 64,
        }
    }

    pub(super) fn name(self, scale: &Scale) -> String {
        match self {
            Self::Hashes => "16 strangers guess secrets behind argon2id".to_owned(),
            Self::Signatures => "wrong assertions of ES512, up to 3,200 a second".to_owned(),
            Self::Bodies => {
                let (thousands, rest) = (scale.bodies / 1_000, scale.bodies % 1_000);
                format!("{thousands},{rest:03} bodies that do not go on")
            }
            Self::Redis => "64 clients with assertions, Redis takes 50 ms".to_owned(),
        }
    }
}

/// How much is done.
pub(super) struct Scale {
    pub(super) rounds: usize,
    pub(super) phase: Duration,
    pub(super) settle: Duration,
    /// Requests a second.
    pub(super) rate: u32,
    pub(super) bodies: usize,
}
