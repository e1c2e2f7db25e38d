//! What Delta Lake's libraries report, in our own kinds and words.
//!
//! Lets no row value through: messages of the query engine and of the log may quote expressions and statistics, so of those only what
//! stands before the first quotation is passed on.

use std::error::Error;

use deltalake::datafusion::error::DataFusionError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::object_store;
use deltalake::parquet::errors::ParquetError;
use deltalake::{DeltaTableError, ObjectStoreError};
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

/// A failure, before it is known what was being done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: DestinationErrorKind,
    pub(crate) message: String,
    /// Whether somebody else changed what this was based on: it may be tried again from the beginning.
    pub(crate) is_conflict: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

pub(crate) type Attempt<T> = Result<T, Failure>;

/// What systems say where there is no more room.
const FULL: [&str; 4] = ["No space left on device", "Disk quota exceeded", "File too large", "QuotaExceeded"];

impl Failure {
    pub(crate) fn new(kind: DestinationErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), is_conflict: false, source: None }
    }

    /// A failure that nobody foresaw.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(DestinationErrorKind::Failed, message)
    }

    /// Somebody else wrote at the same time.
    pub(crate) fn conflict(what: &str) -> Self {
        let message = format!("{what} was changed by another process at the same time, again and again");
        Self { is_conflict: true, ..Self::failed(message) }
    }

    /// The error to report, with what was being done.
    pub(crate) fn during(self, action: impl Into<String>) -> DestinationError {
        let mut error = DestinationError::new(self.kind, action, self.message);
        error.source = self.source;
        error
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        Self { kind: error.kind, message: error.message, is_conflict: false, source: error.source }
    }
}

impl From<ObjectStoreError> for Failure {
    fn from(error: ObjectStoreError) -> Self {
        Self::new(kind_of_store(&error), chain(&error))
    }
}

impl From<object_store::path::Error> for Failure {
    fn from(error: object_store::path::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        Self::failed(unquoted(&error.to_string()))
    }
}

impl From<deltalake::arrow::error::ArrowError> for Failure {
    fn from(error: deltalake::arrow::error::ArrowError) -> Self {
        Self::new(kind_of_text(&error.to_string()), unquoted(&error.to_string()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let text = error.to_string();
        Self::new(kind_of_text(&text), text)
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        if let DataFusionError::ResourcesExhausted(_) = error.find_root() {
            let message = "there is not enough memory for it: allow it more (TENANTRY_MEMORY_LIMIT)";
            return Self::failed(message);
        }
        if let Some(store) = caused_by::<ObjectStoreError>(&error) {
            return Self::new(kind_of_store(store), chain(store));
        }
        let text = error.find_root().to_string();
        Self::new(kind_of_text(&text), unquoted(&text))
    }
}

impl From<DeltaTableError> for Failure {
    fn from(error: DeltaTableError) -> Self {
        if is_conflict(&error) {
            return Self::conflict("the table");
        }
        if let Some(store) = caused_by::<ObjectStoreError>(&error) {
            return Self::new(kind_of_store(store), chain(store));
        }
        let text = error.to_string();
        match &error {
            DeltaTableError::NotATable(_) => Self::new(DestinationErrorKind::Absent, "there is no table"),
            DeltaTableError::InvalidJsonLog { version, .. } => {
                Self::failed(format!("version {version} of the table's log cannot be read"))
            }
            DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(_) }
            | DeltaTableError::UnsupportedColumnMapping { .. } => {
                Self::new(DestinationErrorKind::SchemaConflict, text)
            }
            _ => Self::new(kind_of_text(&text), unquoted(&text)),
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        use tonic::Code;
        let kind = match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Unauthenticated | Code::PermissionDenied => {
                DestinationErrorKind::Unavailable
            }
            _ => DestinationErrorKind::Failed,
        };
        Self::new(kind, format!("the server that merges: {}", unquoted(status.message())))
    }
}

impl From<tonic::transport::Error> for Failure {
    fn from(error: tonic::transport::Error) -> Self {
        Self::new(DestinationErrorKind::Unavailable, format!("the server that merges: {}", chain(&error)))
    }
}

/// Whether a commit was refused because somebody else's came first.
fn is_conflict(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::VersionAlreadyExists(_)
                    | TransactionError::MaxCommitAttempts(_)
                    | TransactionError::CommitConflict(_)
            }
    )
}

/// The first error of this type in the chain.
fn caused_by<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn kind_of_store(error: &ObjectStoreError) -> DestinationErrorKind {
    match error {
        ObjectStoreError::NotFound { .. } => DestinationErrorKind::Absent,
        ObjectStoreError::PermissionDenied { .. } | ObjectStoreError::Unauthenticated { .. } => {
            DestinationErrorKind::Unavailable
        }
        error => kind_of_text(&chain(error)),
    }
}

fn kind_of_text(text: &str) -> DestinationErrorKind {
    let has = |part: &str| text.contains(part);
    if FULL.into_iter().any(has) {
        DestinationErrorKind::Full
    } else if ["error sending request", "Connection refused", "timed out", "Permission denied"]
        .into_iter()
        .any(has)
    {
        DestinationErrorKind::Unavailable
    } else {
        DestinationErrorKind::Failed
    }
}

/// An error with its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

/// The text up to what may quote a value.
fn unquoted(text: &str) -> String {
    let end = text.find(['"', '\'', '`', '(', '{', '\n']).unwrap_or(text.len());
    let head = text[..end].trim_end_matches([' ', ':', ',']);
    if head.is_empty() { "the query engine failed".to_owned() } else { head.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_quote_a_value_is_left_out() {
        let error = DataFusionError::Execution("cannot compare Utf8(\"someone@example.com\")".to_owned());
        let failure = Failure::from(error);
        assert!(!failure.message.contains("someone"), "{}", failure.message);
        assert!(failure.message.contains("cannot compare"), "{}", failure.message);
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let error = std::io::Error::other("No space left on device (os error 28)");
        assert_eq!(Failure::from(error).kind, DestinationErrorKind::Full);
    }
}
