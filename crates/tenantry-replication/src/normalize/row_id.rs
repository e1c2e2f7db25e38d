//! The stable hash behind `_fivetran_id`.
//!
//! The layout's origin does not publish how it computes the column, and has changed it before; so ours is our own, documented and
//! fixed: SHA-256 over the natural key's values, each as its length in bytes (8 bytes, big endian) and its UTF-8 text, a missing value
//! as eight bytes of 0xFF; of the digest the first 16 bytes, in URL-safe base64 without padding (22 characters).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes of the digest that are kept: 128 bits, far from any collision at the size of a tenant.
const KEPT_BYTES: usize = 16;

/// The row id for the values of a natural key.
pub fn row_id<'a>(natural_key: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut digest = Sha256::new();
    for value in natural_key {
        match value {
            Some(text) => {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text.as_bytes());
            }
            None => digest.update(u64::MAX.to_be_bytes()),
        }
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..KEPT_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_id_never_changes() {
        // Computed by another implementation of the documented rule.
        assert_eq!(row_id([Some("act_1"), Some("API_KEY")]), "1_z5XOjq7_Q1TLLYdFOrlQ");
        assert_eq!(row_id([Some("act_1"), None]), "K2EEXt9ACnoPWHtCr7BFhw");
    }

    #[test]
    fn keys_that_only_concatenate_alike_differ() {
        assert_ne!(row_id([Some("ab"), Some("c")]), row_id([Some("a"), Some("bc")]));
        assert_ne!(row_id([Some(""), None]), row_id([None, Some("")]));
    }
}
