//! Proof of identity by a key pair: a JWT that is signed with the user's private key and names its public one by a fingerprint.
//!
//! Takes RSA keys as PEM without a passphrase, and shows nothing of a key in an error.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

/// Life of a claim, seconds; Snowflake takes up to an hour.
const LIFETIME_SECONDS: u64 = 120;
/// What says in DER that a key is one of RSA.
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A user's private key.
pub(super) struct Key {
    pair: RsaKeyPair,
}

impl Key {
    /// Reads a key in PEM. An error is a sentence for people.
    pub(super) fn read(pem: &str) -> Result<Self, &'static str> {
        const NO_PEM: &str = "the private key is not PEM: expected -----BEGIN PRIVATE KEY-----";
        const WRONG: &str = "the private key is not an RSA key of 2048 to 4096 bits";
        let (_, rest) = pem.split_once("-----BEGIN ").ok_or(NO_PEM)?;
        let (label, rest) = rest.split_once("-----").ok_or(NO_PEM)?;
        let (text, _) = rest.split_once("-----END ").ok_or(NO_PEM)?;
        if text.contains("ENCRYPTED") || label.contains("ENCRYPTED") {
            return Err("the private key is encrypted; give it without a passphrase");
        }
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(text).map_err(|_| NO_PEM)?;
        let pair = match label {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der).map_err(|_| WRONG)?,
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map_err(|_| WRONG)?,
            _ => return Err(NO_PEM),
        };
        Ok(Self { pair })
    }

    /// The fingerprint by which the server knows the public key: `SHA256:` and the digest of its `SubjectPublicKeyInfo`.
    pub(super) fn fingerprint(&self) -> String {
        let key = self.pair.public_key().as_ref();
        let mut bits = vec![0];
        bits.extend_from_slice(key);
        let mut content = RSA_ENCRYPTION.to_vec();
        content.extend(tagged(0x03, &bits));
        let info = tagged(0x30, &content);
        format!("SHA256:{}", STANDARD.encode(digest(&SHA256, &info)))
    }

    /// A claim to be this user of this account, both in upper case, at `now` in seconds since 1970.
    pub(super) fn claim(&self, account: &str, user: &str, now: u64) -> Result<String, &'static str> {
        let subject = format!("{account}.{user}");
        let body = json!({
            "iss": format!("{subject}.{}", self.fingerprint()),
            "sub": subject,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        });
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&body));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the private key cannot sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A value in DER.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut value = vec![tag];
    if length < 0x80 {
        value.push(length as u8);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        value.push(0x80 | bytes.len() as u8);
        value.extend(bytes);
    }
    value.extend_from_slice(content);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_der_has_them() {
        assert_eq!(tagged(3, &[7; 2]), [3, 2, 7, 7]);
        assert_eq!(tagged(3, &[7; 200])[..3], [3, 0x81, 200]);
        assert_eq!(tagged(3, &[7; 300])[..4], [3, 0x82, 1, 44]);
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        for (pem, words) in [
            ("canary", "not PEM"),
            ("-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----", "not PEM"),
            ("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----", "not an RSA key"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nY2FuYXJ5\n-----END ENCRYPTED PRIVATE KEY-----",
                "passphrase",
            ),
        ] {
            let said = Key::read(pem).map(|_| ()).unwrap_err();
            assert!(said.contains(words) && !said.contains("canary"), "{said}");
        }
    }
}
