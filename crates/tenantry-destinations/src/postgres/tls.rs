//! TLS to the server by rustls: its certificate is always verified, by the system's authorities or by those of a file.
//!
//! Has no way to encrypt without knowing to whom.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tenantry_replication::error::DestinationErrorKind;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Attempt, Failure};

/// What makes encrypted connections. Fails where there are no certificates to verify with.
pub(super) fn connector(name: bool, roots: Option<&Path>) -> Attempt<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(match roots {
        Some(file) => of_file(file)?,
        None => of_system()?,
    });
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(format!("cannot prepare TLS: {error}")))?;
    let config = if name {
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let signed = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| unusable(format!("cannot prepare TLS: {error}")))?;
        let verifier = Arc::new(AnyName { signed });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    Ok(MakeRustlsConnect::new(config))
}

fn of_file(path: &Path) -> Attempt<RootCertStore> {
    let shown = path.display();
    let wrong = |why: String| unusable(format!("read the certificates in {shown}: {why}"));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(roots) }
}

fn of_system() -> Attempt<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(unusable(
            "the system has no certificates to verify the server with; install them (apt-get install ca-certificates), or name a file \
             with sslrootcert"
                .to_owned(),
        ));
    }
    Ok(roots)
}

fn unusable(message: String) -> Failure {
    Failure::new(DestinationErrorKind::Unavailable, message)
}

/// `verify-ca`: the certificate is signed by an authority that is trusted, whatever host it names.
#[derive(Debug)]
struct AnyName {
    signed: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is the last thing that is looked at: whoever fails for it has passed all else.
        match self.signed.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
