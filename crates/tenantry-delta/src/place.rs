//! Where the tables are: a local folder, or a prefix in a bucket of an object store.
//!
//! Takes no credentials: each cloud's own default chain finds them (environment, profile, instance).

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use deltalake::logstore::LogStoreRef;
use deltalake::{DeltaTableBuilder, ObjectStore, Path};
use tenantry_replication::error::DestinationErrorKind;
use url::Url;

use crate::failure::{Attempt, Failure};

/// How folders of our own below the place begin, one for each schema; no schema may be called so.
pub(crate) const STATE: &str = "_tenantry";

/// Schemes of object stores that are built in.
const SCHEMES: &[&str] = &[
    #[cfg(feature = "s3")]
    "s3",
    #[cfg(feature = "s3")]
    "s3a",
    #[cfg(feature = "gcs")]
    "gs",
    #[cfg(feature = "azure")]
    "az",
    #[cfg(feature = "azure")]
    "abfs",
    #[cfg(feature = "azure")]
    "abfss",
];

/// A place for tables.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Ends with a slash.
    base: Url,
    /// Settings of the store beside what the environment says.
    storage: HashMap<String, String>,
}

impl Place {
    /// Reads what stands behind `delta:`, a path or the URL of an object store.
    pub(crate) fn parse(text: &str, storage: HashMap<String, String>) -> Attempt<Self> {
        let wrong = |why: &str| Failure::new(DestinationErrorKind::Unavailable, why);
        if text.is_empty() {
            return Err(wrong("no path given"));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            let path = std::path::absolute(text).map_err(|_| wrong("the path cannot be made absolute"))?;
            let base = Url::from_directory_path(path).map_err(|()| wrong("the path is no folder"))?;
            return Ok(Self { base, storage });
        };
        if !SCHEMES.contains(&scheme) {
            let known: Vec<String> = SCHEMES.iter().map(|known| format!("{known}://")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(wrong(&format!("`{scheme}://` is no object store of this build; built in: {known}")));
        }
        let mut base = Url::parse(text).map_err(|error| wrong(&format!("it is no URL: {error}")))?;
        if base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
            return Err(wrong(
                "credentials and options do not belong into the URL: they come from the environment",
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, storage })
    }

    /// The folder, where it is a local one.
    fn folder(&self) -> Option<PathBuf> {
        (self.base.scheme() == "file").then(|| self.base.to_file_path().ok()).flatten()
    }

    /// Makes the local folder where it is missing, for its owner alone.
    pub(crate) fn make(&self) -> Attempt<()> {
        self.folder().map_or(Ok(()), |folder| make_private(&folder))
    }

    /// Whether it is a local folder that is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.folder().is_some_and(|folder| !folder.is_dir())
    }

    /// Where a table is.
    fn table(&self, schema: &str, table: &str) -> Attempt<Url> {
        below(&self.base, [schema, table, ""])
    }

    /// The log of a table, whether or not there is one.
    pub(crate) fn log(&self, schema: &str, table: &str) -> Attempt<LogStoreRef> {
        let url = self.table(schema, table)?;
        let builder = DeltaTableBuilder::from_url(url)?.with_storage_options(self.storage.clone());
        Ok(builder.build_storage()?)
    }

    /// Where an object below the place is, for another engine.
    pub(crate) fn object(&self, path: &Path) -> Attempt<String> {
        Ok(below(&self.base, path.as_ref().split('/'))?.to_string())
    }

    /// The objects below the place.
    pub(crate) fn store(&self) -> Attempt<Arc<dyn ObjectStore>> {
        // Libraries below bring an implementation of cryptography each, and where there are several `rustls` takes none by itself. One for
        // the whole process; whoever was first has taken the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = DeltaTableBuilder::from_url(self.base.clone())?;
        let log = builder.with_storage_options(self.storage.clone()).build_storage()?;
        Ok(log.object_store(None))
    }
}

/// What is called so below a URL, segment by segment.
pub(crate) fn below<'a>(url: &Url, segments: impl IntoIterator<Item = &'a str>) -> Attempt<Url> {
    let mut url = url.clone();
    let whole = || Failure::failed("the place cannot hold tables");
    url.path_segments_mut().map_err(|()| whole())?.pop_if_empty().extend(segments);
    Ok(url)
}

fn make_private(folder: &FilePath) -> Attempt<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    if !parent.is_dir() {
        let message = format!("folder {} does not exist", parent.display());
        return Err(Failure::new(DestinationErrorKind::Unavailable, message));
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_below_the_place() {
        let table = |place: &str| {
            Place::parse(place, HashMap::new()).unwrap().table("auth0", "users").unwrap().to_string()
        };
        assert_eq!(table("/data/lake"), "file:///data/lake/auth0/users/");
        assert_eq!(table("/data/lake/"), "file:///data/lake/auth0/users/");
    }

    #[cfg(feature = "s3")]
    #[test]
    fn tables_are_below_the_prefix_in_a_bucket() {
        let table = |place: &str| {
            Place::parse(place, HashMap::new()).unwrap().table("auth0", "users").unwrap().to_string()
        };
        assert_eq!(table("s3://bucket"), "s3://bucket/auth0/users/");
        assert_eq!(table("s3://bucket/a/b"), "s3://bucket/a/b/auth0/users/");
    }

    #[test]
    fn a_url_holds_no_credentials() {
        for url in ["s3://key:secret@bucket/a", "s3://bucket/a?token=secret", "http://example.com/a", ""] {
            let failure = Place::parse(url, HashMap::new()).unwrap_err();
            assert_eq!(failure.kind, DestinationErrorKind::Unavailable);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
    }
}
