//! The flags that say where the certificates of clients come from. There is one source:
//!
//! - `--client-cert-header NAME=ENCODING`, a header of a proxy, in the encoding `rfc9440`, `escaped-pem`, `base64-der`,
//!   `spaced-pem` or `xfcc:HOPS`, of requests from `--trusted-hop ADDRESS`, as often as there are some. It is verified
//!   where `--verified-if NAME=VALUE` holds for a header with this one value.
//! - With the feature `rustls` the connection, with `--tls-cert FILE --tls-key FILE`. It is verified by the authorities of
//!   `--client-ca FILE`.

use std::net::IpAddr;

use example_support::{Flags, Peer};
use http::{HeaderName, HeaderValue};
use tower_client_auth::{
    BoxError,
    mutual_tls::{MutualTls, ProxyHeader},
};

#[derive(Default)]
pub(crate) struct CertificateFlags {
    header: Option<ProxyHeader>,
    hops: Vec<IpAddr>,
    verified_if: Option<(HeaderName, HeaderValue)>,
    #[cfg(feature = "rustls")]
    tls: Files,
}

#[cfg(feature = "rustls")]
#[derive(Default)]
struct Files {
    chain: Option<std::path::PathBuf>,
    key: Option<std::path::PathBuf>,
    authorities: Option<std::path::PathBuf>,
}

impl CertificateFlags {
    pub(crate) fn take(&mut self, name: &str, flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--client-cert-header" => self.header = Some(header(&flags.value::<String>()?)?),
            "--trusted-hop" => self.hops.push(flags.value()?),
            "--verified-if" => {
                let flag = flags.value::<String>()?;
                let (name, value) = pair(&flag)?;
                self.verified_if = Some((name.parse()?, value.parse()?));
            }
            #[cfg(feature = "rustls")]
            "--tls-cert" => self.tls.chain = Some(flags.value()?),
            #[cfg(feature = "rustls")]
            "--tls-key" => self.tls.key = Some(flags.value()?),
            #[cfg(feature = "rustls")]
            "--client-ca" => self.tls.authorities = Some(flags.value()?),
            #[cfg(not(feature = "rustls"))]
            "--tls-cert" | "--tls-key" | "--client-ca" => {
                return Err(example_support::needs_feature(name, "rustls"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How the server speaks TLS, if it does.
    #[cfg(feature = "rustls")]
    pub(crate) fn tls(&self) -> Result<Option<example_support::Tls>, BoxError> {
        let Files { chain, key, authorities } = &self.tls;
        match (chain, key) {
            (Some(chain), Some(key)) => {
                let tls = example_support::Tls::from_pem_files(chain, key, authorities.as_deref())?;
                Ok(Some(tls))
            }
            (None, None) if authorities.is_none() => Ok(None),
            _ => Err("--tls-cert and --tls-key go together, and --client-ca with them".into()),
        }
    }

    fn over_tls(&self) -> bool {
        #[cfg(feature = "rustls")]
        return self.tls.chain.is_some();
        #[cfg(not(feature = "rustls"))]
        false
    }

    /// What the layer is to know of them, if anything.
    pub(crate) fn mutual_tls(&self) -> Result<Option<MutualTls>, BoxError> {
        let hops = self.hops.clone();
        let mutual_tls = match &self.header {
            Some(_) if self.over_tls() => {
                return Err("--client-cert-header is for plain HTTP behind a proxy".into());
            }
            Some(_) if hops.is_empty() => {
                return Err("--client-cert-header needs a --trusted-hop".into());
            }
            Some(header) => MutualTls::from_header(header.clone(), move |request| {
                let peer = request.extensions.get::<Peer>();
                peer.is_some_and(|peer| hops.contains(&peer.0.ip()))
            }),
            None if !hops.is_empty() || self.verified_if.is_some() => {
                return Err("--trusted-hop and --verified-if need a --client-cert-header".into());
            }
            None if self.over_tls() => MutualTls::from_connection(),
            None => return Ok(None),
        };
        Ok(Some(match self.verified_if.clone() {
            Some((name, value)) => mutual_tls.verified_if(name, value),
            None => mutual_tls,
        }))
    }
}

fn pair(flag: &str) -> Result<(&str, &str), BoxError> {
    flag.split_once('=').ok_or_else(|| format!("there is no `=` in {flag:?}").into())
}

fn header(flag: &str) -> Result<ProxyHeader, BoxError> {
    let (name, encoding) = pair(flag)?;
    let name = name.parse::<HeaderName>()?;
    let fixed = |wanted: &str, header| {
        if name == wanted {
            Ok(header)
        } else {
            Err(format!("the header of {encoding} is {wanted}").into())
        }
    };
    match encoding {
        "rfc9440" => fixed("client-cert", ProxyHeader::client_cert()),
        "escaped-pem" => Ok(ProxyHeader::escaped_pem(name)),
        "base64-der" => Ok(ProxyHeader::base64_der(name)),
        "spaced-pem" => Ok(ProxyHeader::spaced_pem(name)),
        _ => match encoding.strip_prefix("xfcc:") {
            Some(hops) => {
                let hops = hops.parse().map_err(|error| format!("{encoding}: {error}"))?;
                fixed("x-forwarded-client-cert", ProxyHeader::xfcc(hops))
            }
            None => Err(format!("unknown encoding {encoding:?}").into()),
        },
    }
}
