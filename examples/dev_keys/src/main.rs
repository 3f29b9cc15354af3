//! Makes what a client needs, to develop with: keys, assertions, secrets and their hashes.
//!
//! ```text
//! cargo run -p dev_keys -- keygen --client-id batch --key key.pem > clients.json
//! cargo run -p token_server --features jwt -- --clients clients.json
//! cargo run -p dev_keys -- assertion --client-id batch --key key.pem --audience http://127.0.0.1:8080
//! ```
//!
//! What is for another program goes to stdout, and what is for you to stderr.

use std::{
    fs::OpenOptions,
    io::{Read, Write, stdin},
    process::ExitCode,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use dev_keys::{ASSERTION_TYPE, SigningKey};
use example_support::{Flags, now};
use serde_json::{Value, json};
use tower_client_auth::{BoxError, secret::GeneratedSecret};

const USAGE: &str = "usage: dev_keys COMMAND

  keygen --client-id ID --key FILE [--alg ALG]
      makes a private key, and prints the registration of the client
  public --key FILE
      prints the public key, in PEM and as a JSON Web Key
  assertion --client-id ID --key FILE --audience ISSUER [--lifetime SECONDS]
      prints an assertion, which is good once
  secret --client-id ID [--method METHOD]
      makes a secret, and prints the registration of the client
  hash
      reads a secret from standard input, and prints its SHA-256 and its PHC string

ALG is ES256 (the default), ES384, ES512, EdDSA or PS256; METHOD is client_secret_basic (the default) or
client_secret_post. What registrations print is for `token_server --clients FILE`.";

const SERVER: &str = "http://127.0.0.1:8080";

#[derive(Default)]
struct Settings {
    client_id: Option<String>,
    key: Option<String>,
    alg: Option<String>,
    audience: Option<String>,
    lifetime: Option<u64>,
    method: Option<String>,
}

impl Settings {
    /// Takes the flags of a command, which knows these.
    fn read(flags: &mut Flags, known: &[&str]) -> Result<Self, BoxError> {
        let mut settings = Self::default();
        while let Some(name) = flags.next() {
            match name.as_str() {
                name if !known.contains(&name) => return Err(flags.unknown()),
                "--client-id" => settings.client_id = Some(flags.value()?),
                "--key" => settings.key = Some(flags.value()?),
                "--alg" => settings.alg = Some(flags.value()?),
                "--audience" => settings.audience = Some(flags.value()?),
                "--lifetime" => settings.lifetime = Some(flags.value()?),
                _ => settings.method = Some(flags.value()?),
            }
        }
        Ok(settings)
    }
}

fn needed<'a>(name: &str, value: Option<&'a String>) -> Result<&'a str, BoxError> {
    value.map(String::as_str).ok_or_else(|| format!("{name} is missing; see --help").into())
}

/// An id that neither a shell nor RFC 6749 §2.3.1 wants escaped in what is printed.
fn client_id(settings: &Settings) -> Result<&str, BoxError> {
    let id = needed("--client-id", settings.client_id.as_ref())?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || !id.bytes().all(is_plain) {
        return Err("--client-id has letters, digits, `.`, `_` and `-` alone here".into());
    }
    Ok(id)
}

fn keygen(settings: &Settings) -> Result<(), BoxError> {
    let client_id = client_id(settings)?;
    let file = needed("--key", settings.key.as_ref())?;
    let key = SigningKey::generate(settings.alg.as_deref().unwrap_or("ES256"))?;
    write_private(file, &key.to_pem()?)?;
    print(&json!([{
        "client_id": client_id,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [key.jwk()?] },
    }]))?;
    eprintln!("{file} has the private key. With what was printed in clients.json:");
    eprintln!("  cargo run -p token_server --features jwt -- --clients clients.json");
    eprintln!(
        "  curl -d grant_type=client_credentials -d client_assertion_type={ASSERTION_TYPE} \
        -d client_assertion=$(cargo run -q -p dev_keys -- assertion --client-id {client_id} --key {file} \
        --audience {SERVER}) {SERVER}/token"
    );
    Ok(())
}

/// A key that is there is kept, and a new one is for its owner alone.
fn write_private(file: &str, pem: &str) -> Result<(), BoxError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut key| key.write_all(pem.as_bytes()));
    written.map_err(|error| format!("--key {file}: {error}").into())
}

fn read_key(settings: &Settings) -> Result<SigningKey, BoxError> {
    let file = needed("--key", settings.key.as_ref())?;
    let read = std::fs::read_to_string(file).map_err(BoxError::from);
    read.and_then(|pem| SigningKey::from_pem(&pem))
        .map_err(|error| format!("--key {file}: {error}").into())
}

fn public(settings: &Settings) -> Result<(), BoxError> {
    let key = read_key(settings)?;
    print!("{}", key.public_pem()?);
    print(&key.jwk()?)
}

fn assertion(settings: &Settings) -> Result<(), BoxError> {
    let client_id = needed("--client-id", settings.client_id.as_ref())?;
    let audience = needed("--audience", settings.audience.as_ref())?;
    let lifetime = settings.lifetime.unwrap_or(60);
    println!("{}", read_key(settings)?.assertion(client_id, audience, now(), lifetime)?);
    Ok(())
}

fn secret(settings: &Settings) -> Result<(), BoxError> {
    let client_id = client_id(settings)?;
    let secret = GeneratedSecret::new()?;
    let method = settings.method.as_deref().unwrap_or("client_secret_basic");
    let credentials = match method {
        "client_secret_basic" => format!("-u {client_id}:{}", secret.expose()),
        "client_secret_post" => {
            format!("-d client_id={client_id} -d client_secret={}", secret.expose())
        }
        _ => return Err(format!("--method {method}: there is no such method here").into()),
    };
    print(&json!([{
        "client_id": client_id,
        "client_secret": secret.expose(),
        "token_endpoint_auth_method": method,
    }]))?;
    eprintln!("SHA-256, for `ClientSecret::sha256_hex`: {}", hex(&secret.sha256()));
    eprintln!("With what was printed in clients.json:");
    eprintln!("  cargo run -p token_server -- --clients clients.json");
    eprintln!("  curl {credentials} -d grant_type=client_credentials {SERVER}/token");
    Ok(())
}

/// From standard input, because arguments are in the history of the shell and in the list of processes.
fn hash() -> Result<(), BoxError> {
    let mut secret = String::new();
    stdin().read_to_string(&mut secret)?;
    // The end of the line, as `echo` writes it.
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err("there is no secret on standard input".into());
    }
    println!("{}", hex(&sha256(secret)));
    // 19 MiB, two passes, one lane: what OWASP names.
    let hashed = Argon2::default().hash_password(secret.as_bytes());
    let phc: PasswordHash = hashed.map_err(|error| error.to_string())?;
    println!("{phc}");
    Ok(())
}

fn sha256(secret: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print(value: &Value) -> Result<(), BoxError> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn run() -> Result<(), BoxError> {
    let mut flags = Flags::new(USAGE);
    match flags.word()?.as_str() {
        "keygen" => keygen(&Settings::read(&mut flags, &["--client-id", "--key", "--alg"])?),
        "public" => public(&Settings::read(&mut flags, &["--key"])?),
        "assertion" => {
            let known = ["--client-id", "--key", "--audience", "--lifetime"];
            assertion(&Settings::read(&mut flags, &known)?)
        }
        "secret" => secret(&Settings::read(&mut flags, &["--client-id", "--method"])?),
        "hash" => flags.end().and_then(|()| hash()),
        _ => Err(flags.unknown()),
    }
}

fn main() -> ExitCode {
    example_support::exit("dev_keys", run())
}
