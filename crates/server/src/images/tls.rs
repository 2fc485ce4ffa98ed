//! Whom TLS connections to the sources of images trust: the authorities that this machine trusts, and those of one file
//! more. Its cryptography is ring's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Speaks TLS as a client.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Trusts this machine's authorities and those in `more`, a file of certificates in PEM.
    ///
    /// # Errors
    /// The file has no certificate, or one that cannot be read.
    pub fn new(more: Option<&Path>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        // A machine without any fetches by http, or trusts what `more` says.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = more {
            let mut found = 0;
            for certificate in CertificateDer::pem_file_iter(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?
            {
                let certificate = certificate.with_context(|| format!("{}: no PEM", path.display()))?;
                roots
                    .add(certificate)
                    .with_context(|| format!("{}: no authority's certificate", path.display()))?;
                found += 1;
            }
            if found == 0 {
                bail!("{}: there is no certificate in it", path.display());
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Proves that the other side of `stream` is `host`, a name or an address.
    ///
    /// # Errors
    /// It does not speak TLS, or proves nothing: `is_distrust`.
    pub async fn speak(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }

    /// Whether the certificate was refused: it will be at a later try too.
    pub fn is_distrust(error: &io::Error) -> bool {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_told() {
        let path = std::env::temp_dir().join(format!("longhaul-tls-{}.pem", std::process::id()));
        let refused = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Tls::new(Some(&path)).map(|_| ()).unwrap_err().to_string()
        };
        assert!(refused("").contains("there is no certificate in it"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(refused(broken).contains("no authority's certificate"));
        std::fs::remove_file(&path).unwrap();
        assert!(Tls::new(Some(&path)).is_err());
        assert!(Tls::new(None).is_ok());
    }
}
