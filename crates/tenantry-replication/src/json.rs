//! The one reader of JSON bytes.
