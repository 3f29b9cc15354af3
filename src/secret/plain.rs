//! A secret in plain text.

use std::{mem, ops::Deref};

use zeroize::Zeroizing;

/// The text of a secret, wiped when it is dropped.
pub(super) enum Plain {
    Short { length: u8, place: Zeroizing<[u8; Self::SHORT]> },
    Long(Zeroizing<Box<[u8]>>),
}

impl Plain {
    /// 64 hexadecimal digits are short.
    const SHORT: usize = 70;

    pub(super) fn new(secret: String) -> Self {
        // The caller's buffer may be larger than the text: copy it exactly and wipe the original.
        let secret = Zeroizing::new(secret);
        Self::Long(Zeroizing::new(secret.as_bytes().into()))
    }

    /// Moves a short one to where `self` is. It must stay there: a move would leave a copy behind.
    pub(super) fn settle(&mut self) {
        let Self::Long(long) = self else { return };
        if long.len() > Self::SHORT {
            return;
        }
        let Ok(length) = u8::try_from(long.len()) else { return };
        let long = mem::take(long);
        *self = Self::Short { length, place: Zeroizing::new([0; Self::SHORT]) };
        if let Self::Short { place, .. } = self {
            place.iter_mut().zip(long.iter()).for_each(|(place, byte)| *place = *byte);
        }
    }
}

impl Deref for Plain {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { length, place } => place.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(long) => long,
        }
    }
}

impl Clone for Plain {
    /// What is not settled may be moved.
    fn clone(&self) -> Self {
        Self::Long(Zeroizing::new((**self).into()))
    }
}
