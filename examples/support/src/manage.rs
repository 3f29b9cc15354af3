//! The commands that change clients, which the token servers with a store have in common.

use std::time::Duration;

use tower_client_auth::{AuthMethod, BoxError};

use crate::Flags;

/// `register ID [--method METHOD] [--name NAME]`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The id of the new client.
    pub id: String,
    /// How it will authenticate.
    pub method: AuthMethod,
    /// What people call it.
    pub name: String,
}

impl Registration {
    /// Reads what follows the command.
    ///
    /// # Errors
    ///
    /// If it is not as above.
    pub fn read(flags: &mut Flags) -> Result<Self, BoxError> {
        let id = flags.word()?;
        let (mut method, mut name) = (AuthMethod::ClientSecretBasic, id.clone());
        while let Some(flag) = flags.next() {
            match flag.as_str() {
                "--method" => method = AuthMethod::from(flags.value::<String>()?.as_str()),
                "--name" => name = flags.value()?,
                _ => return Err(flags.unknown()),
            }
        }
        Ok(Self { id, method, name })
    }
}

/// `rotate ID --label LABEL [--overlap SECONDS]`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The client.
    pub id: String,
    /// What the new secret is called. The same label again replaces it.
    pub label: String,
    /// How long the other secrets stay valid. Default: a day.
    pub overlap: Duration,
}

impl Rotation {
    /// Reads what follows the command.
    ///
    /// # Errors
    ///
    /// If it is not as above.
    pub fn read(flags: &mut Flags) -> Result<Self, BoxError> {
        let id = flags.word()?;
        let (mut label, mut overlap) = (None, 24 * 60 * 60);
        while let Some(flag) = flags.next() {
            match flag.as_str() {
                "--label" => label = Some(flags.value()?),
                "--overlap" => overlap = flags.value()?,
                _ => return Err(flags.unknown()),
            }
        }
        let label = label.ok_or_else(|| flags.usage())?;
        Ok(Self { id, label, overlap: Duration::from_secs(overlap) })
    }
}
