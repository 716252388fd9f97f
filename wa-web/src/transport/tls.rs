//! Whom TLS trusts: the system's certificates and those of one more file.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::sync::OnceCell;

use super::error::{DialError, TransportError};

/// The trusted certificates. The system's are read when the first encrypted
/// connection is made, off the async threads: that takes longer than the rest of
/// a start.
#[derive(Debug)]
pub(crate) struct Trust {
    extra: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Reads the extra file. Blocking, but short.
    pub(crate) fn new(extra: Option<&Path>) -> Result<Self, TransportError> {
        Ok(Self {
            extra: extra.map(read_pem).transpose()?.unwrap_or_default(),
            config: OnceCell::new(),
        })
    }

    /// The settings for a client.
    pub(crate) async fn config(&self) -> Result<Arc<ClientConfig>, DialError> {
        self.config
            .get_or_try_init(|| async {
                let extra = self.extra.clone();
                tokio::task::spawn_blocking(move || build(extra))
                    .await
                    .unwrap_or(Err(DialError::NoRoots))
            })
            .await
            .cloned()
    }
}

fn read_pem(file: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let refuse = |reason: String| TransportError::ExtraCa {
        file: file.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse(error.to_string()))?;
    if certificates.is_empty() {
        return Err(refuse("there is no certificate in it".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(certificates)
}

fn build(extra: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, DialError> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "some root certificates of the system cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(extra);
    if roots.is_empty() {
        return Err(DialError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| DialError::Certificate {
            host: "this client".to_owned(),
            reason: error.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
