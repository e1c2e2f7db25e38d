//! What goes wrong with a server, in our own kinds. Each server's folder says what its errors are.

use arrow_schema::ArrowError;
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

/// What went wrong. Becomes a [`DestinationError`] once it is known what was being done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: DestinationErrorKind,
    pub(crate) message: String,
    /// The server's own word for it; empty where it gave none.
    #[cfg(any(feature = "bigquery", feature = "snowflake"))]
    pub(crate) code: String,
    /// HTTP status, where the server answered by one.
    #[cfg(feature = "bigquery")]
    pub(crate) status: Option<u16>,
    /// Nothing was heard of the other side: what was sent may have been done or not.
    pub(crate) is_silence: bool,
}

pub(crate) type Attempt<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(kind: DestinationErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            #[cfg(any(feature = "bigquery", feature = "snowflake"))]
            code: String::new(),
            #[cfg(feature = "bigquery")]
            status: None,
            is_silence: false,
        }
    }

    /// The error to report, with what was being done.
    pub(crate) fn during(self, action: impl Into<String>) -> DestinationError {
        DestinationError::new(self.kind, action, self.message)
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        Self::new(error.kind, error.message)
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::new(DestinationErrorKind::Failed, error.to_string())
    }
}

#[cfg(any(feature = "bigquery", feature = "snowflake"))]
impl From<parquet::errors::ParquetError> for Failure {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::new(DestinationErrorKind::Failed, format!("rows cannot be written as Parquet: {error}"))
    }
}

#[cfg(any(feature = "bigquery", feature = "snowflake"))]
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => DestinationErrorKind::Full,
            _ => DestinationErrorKind::Failed,
        };
        Self::new(kind, format!("staged rows cannot be kept on this machine's disk: {error}"))
    }
}
