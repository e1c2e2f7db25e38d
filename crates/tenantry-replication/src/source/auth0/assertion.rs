//! Signed proof that we are an application (`private_key_jwt`): a short-lived JWT in place of a client secret.
//!
//! Takes RSA keys as PEM alone, and never shows anything of a key in an error.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use serde_json::json;

use super::settings::Algorithm;
use crate::clock::{MICROS_PER_SECOND, Micros};

/// Life of an assertion; Auth0 takes up to 300 s.
const LIFETIME_SECONDS: i64 = 120;

/// Type of assertion, as the token endpoint wants it.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What to sign.
pub(super) struct Claim<'a> {
    pub(super) client_id: &'a str,
    /// The tenant's own address with a slash behind.
    pub(super) audience: &'a str,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<&'a str>,
    /// Now by the tenant's clock: it allows 10 s of difference.
    pub(super) now: Micros,
}

/// Why a key cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct KeyError(&'static str);

/// Signs a claim with a key in PEM.
pub(super) fn sign(claim: &Claim<'_>, pem: &str) -> Result<String, KeyError> {
    let key = key_of(pem)?;
    let random = SystemRandom::new();
    let mut id = [0u8; 16];
    random.fill(&mut id).map_err(|_| KeyError("the system gives no random numbers"))?;
    let issued = claim.now.div_euclid(MICROS_PER_SECOND);
    let (name, encoding): (_, &'static dyn RsaEncoding) = match claim.algorithm {
        Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        Algorithm::Rs384 => ("RS384", &RSA_PKCS1_SHA384),
        Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
    };
    let mut header = json!({ "alg": name, "typ": "JWT" });
    if let Some(key_id) = claim.key_id {
        header["kid"] = key_id.into();
    }
    let body = json!({
        "iss": claim.client_id,
        "sub": claim.client_id,
        "aud": claim.audience,
        "iat": issued,
        "exp": issued + LIFETIME_SECONDS,
        "jti": URL_SAFE_NO_PAD.encode(id),
    });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(body.to_string())
    );
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &random, signed.as_bytes(), &mut signature)
        .map_err(|_| KeyError("the private key cannot sign"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn key_of(pem: &str) -> Result<RsaKeyPair, KeyError> {
    const NO_PEM: KeyError = KeyError("the private key is not PEM: expected -----BEGIN PRIVATE KEY-----");
    const WRONG: KeyError = KeyError("the private key is not an RSA key of 2048 to 4096 bits");
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or(NO_PEM)?;
    let (label, rest) = rest.split_once("-----").ok_or(NO_PEM)?;
    let (text, _) = rest.split_once("-----END ").ok_or(NO_PEM)?;
    if text.contains("ENCRYPTED") || label.contains("ENCRYPTED") {
        return Err(KeyError("the private key is encrypted; give it without a passphrase"));
    }
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(text).map_err(|_| NO_PEM)?;
    match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der).map_err(|_| WRONG),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map_err(|_| WRONG),
        _ => Err(NO_PEM),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    /// Body of a private key that was made for tests and opens nothing.
    const KEY: &str = include_str!("../../../tests/source/throwaway_key.txt");

    #[test]
    fn signatures_hold_by_the_public_key() {
        let pem = format!("some text before\n-----BEGIN {0}-----\r\n{KEY}-----END {0}-----\n", "PRIVATE KEY");
        let key = key_of(&pem).unwrap();
        let algorithms: [(_, &'static dyn VerificationAlgorithm); 3] = [
            (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        ];
        for (algorithm, verification) in algorithms {
            let audience = "https://tenant.us.auth0.com/";
            let claim =
                Claim { client_id: "app", audience, algorithm, key_id: None, now: 1_793_606_400_000_000 };
            let assertion = sign(&claim, &pem).unwrap();
            let (signed, signature) = assertion.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(verification, key.public());
            assert!(public.verify(signed.as_bytes(), &signature).is_ok(), "{algorithm:?}");
            assert!(public.verify(&signed.as_bytes()[1..], &signature).is_err(), "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_being_shown() {
        for pem in [
            "",
            "secret",
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nc2VjcmV0\n-----END RSA PRIVATE KEY-----",
        ] {
            let error = key_of(pem).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("the private key") && !error.contains("c2VjcmV0"), "{error}");
        }
    }
}
