//! Files to an internal stage: where the server's answer to a PUT says, by plain HTTP of the cloud that the account lives in.
//!
//! Encrypts nothing itself: the stage is one whose cloud encrypts. Sends a file once.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use serde::Deserialize;
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Failure};

/// How long a signed address is good for.
const SIGNED_FOR: Duration = Duration::from_mins(15);
/// What stands in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where a file goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageInfo {
    location_type: String,
    /// Bucket or container, and the folder in it.
    #[serde(default)]
    location: String,
    region: Option<String>,
    end_point: Option<String>,
    storage_account: Option<String>,
    presigned_url: Option<String>,
    creds: Option<Creds>,
}

/// Keys to that place alone, for an hour or so.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Creds {
    aws_key_id: Option<String>,
    aws_secret_key: Option<String>,
    aws_token: Option<String>,
    azure_sas_token: Option<String>,
    gcs_access_token: Option<String>,
}

/// A request that puts the file there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) url: String,
    /// Names and values, some of them secret.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl StageInfo {
    /// The request for a file of this name.
    pub(super) fn put(&self, name: &str) -> Attempt<Put> {
        let (bucket, folder) = self.location.split_once('/').unwrap_or((&self.location, ""));
        let folder = folder.trim_matches('/');
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        match self.location_type.as_str() {
            "S3" => self.to_s3(bucket, &key),
            "AZURE" => self.to_azure(bucket, &key),
            "GCS" => self.to_gcs(bucket, &key),
            other => Err(unusable(format!("it is a place of an unknown kind, `{other}`"))),
        }
    }

    fn creds(&self) -> &Creds {
        const NONE: &Creds = &Creds {
            aws_key_id: None,
            aws_secret_key: None,
            aws_token: None,
            azure_sas_token: None,
            gcs_access_token: None,
        };
        self.creds.as_ref().unwrap_or(NONE)
    }

    fn to_s3(&self, bucket: &str, key: &str) -> Attempt<Put> {
        let Creds { aws_key_id: Some(id), aws_secret_key: Some(secret), aws_token, .. } = self.creds() else {
            return Err(unusable("no key to S3 came with it"));
        };
        let region = self.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let host = match self.end_point.as_deref().filter(|host| !host.is_empty()) {
            Some(host) if host.contains("://") => host.to_owned(),
            Some(host) => format!("https://{host}"),
            None => format!("https://s3.{region}.amazonaws.com{suffix}"),
        };
        let endpoint = host.parse().map_err(|_| unusable("its address is no URL"))?;
        // A name with a dot in it is none that a certificate of the whole domain holds for.
        let style = if bucket.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(endpoint, style, bucket.to_owned(), region)
            .map_err(|_| unusable("its bucket cannot be named in a URL"))?;
        let credentials = match aws_token {
            Some(token) => Credentials::new_with_token(id, secret, token),
            None => Credentials::new(id, secret),
        };
        let url = bucket.put_object(Some(&credentials), key).sign(SIGNED_FOR);
        Ok(Put { url: url.into(), headers: Vec::new() })
    }

    fn to_azure(&self, container: &str, key: &str) -> Attempt<Put> {
        let (Some(account), Some(token)) = (&self.storage_account, &self.creds().azure_sas_token) else {
            return Err(unusable("no key to Azure came with it"));
        };
        let host =
            self.end_point.as_deref().filter(|host| !host.is_empty()).unwrap_or("blob.core.windows.net");
        let token = token.trim_start_matches('?');
        let url = format!("https://{account}.{host}/{container}/{}?{token}", utf8_percent_encode(key, PATH));
        Ok(Put { url, headers: vec![("x-ms-blob-type", "BlockBlob".to_owned())] })
    }

    fn to_gcs(&self, bucket: &str, key: &str) -> Attempt<Put> {
        if let Some(url) = self.presigned_url.as_ref().filter(|url| !url.is_empty()) {
            return Ok(Put { url: url.clone(), headers: Vec::new() });
        }
        let Some(token) = &self.creds().gcs_access_token else {
            return Err(unusable("no key to Google's storage came with it"));
        };
        let host =
            self.end_point.as_deref().filter(|host| !host.is_empty()).unwrap_or("storage.googleapis.com");
        let host = host.trim_start_matches("https://");
        let url = format!("https://{host}/{bucket}/{}", utf8_percent_encode(key, PATH));
        Ok(Put { url, headers: vec![("authorization", format!("Bearer {token}"))] })
    }
}

fn unusable(why: impl std::fmt::Display) -> Failure {
    Failure::new(DestinationErrorKind::Failed, format!("the stage's answer to PUT cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn put(info: Value) -> Attempt<Put> {
        serde_json::from_value::<StageInfo>(info).unwrap().put("7 a.parquet")
    }

    #[test]
    fn each_cloud_is_put_to_in_its_own_way() {
        let s3 = json!({ "locationType": "S3", "location": "sfc-stage/ab/stages/x/", "region": "eu-west-1",
            "creds": { "AWS_KEY_ID": "id", "AWS_SECRET_KEY": "secret", "AWS_TOKEN": "token" } });
        let Put { url, headers } = put(s3).unwrap();
        assert!(
            url.starts_with("https://sfc-stage.s3.eu-west-1.amazonaws.com/ab/stages/x/7%20a.parquet?"),
            "{url}"
        );
        assert!(url.contains("X-Amz-Security-Token=token") && url.contains("X-Amz-Signature="), "{url}");
        assert!(headers.is_empty() && !url.contains("secret"));

        let azure = json!({ "locationType": "AZURE", "location": "stages/x/", "storageAccount": "acc",
            "endPoint": "blob.core.windows.net", "creds": { "AZURE_SAS_TOKEN": "?sig=s" } });
        let Put { url, headers } = put(azure).unwrap();
        assert_eq!(url, "https://acc.blob.core.windows.net/stages/x/7%20a.parquet?sig=s");
        assert_eq!(headers, [("x-ms-blob-type", "BlockBlob".to_owned())]);

        let gcs = json!({ "locationType": "GCS", "location": "gcs-stage/x/", "presignedUrl": "",
            "creds": { "GCS_ACCESS_TOKEN": "token" } });
        let Put { url, headers } = put(gcs).unwrap();
        assert_eq!(url, "https://storage.googleapis.com/gcs-stage/x/7%20a.parquet");
        assert_eq!(headers, [("authorization", "Bearer token".to_owned())]);
        let signed = json!({ "locationType": "GCS", "location": "b/", "presignedUrl": "https://signed.example.com/a" });
        assert_eq!(put(signed).unwrap().url, "https://signed.example.com/a");
    }

    #[test]
    fn a_place_without_a_key_to_it_is_refused() {
        for kind in ["S3", "AZURE", "GCS", "LOCAL_FS"] {
            assert!(put(json!({ "locationType": kind, "location": "b/x/" })).is_err(), "{kind}");
        }
    }
}
