//! One record by its key, as the API gives it by itself.

use bytes::Bytes;

use super::client::{Call, Reader};
use super::url;
use crate::catalog::Endpoint;
use crate::defects::{Defect, planted};
use crate::error::{SourceErrorKind, SourceResult};
use crate::json::{Json, Kind};

/// The record's JSON object; `None` where the tenant has none of this key. `template` is the endpoint's path of one record.
pub(super) async fn read(
    reader: &Reader,
    endpoint: &Endpoint,
    template: &str,
    key: &str,
) -> SourceResult<Option<Bytes>> {
    let Some(path) = url::fill(template, "{id}", key) else { return Ok(None) };
    let query = endpoint.record_query.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let of = if planted(Defect::KeyInMessage) { key } else { endpoint.path };
    let call = Call::get(format!("read one record of {of}"), path).with(query).of_record();
    let record = reader.call(&call, |answer| {
        let record = Json::document(&answer.body).map_err(|error| error.to_string())?;
        if record.kind() == Kind::Object {
            Ok(answer.body.clone())
        } else {
            Err("the answer is not a record".into())
        }
    });
    match record.await {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind == SourceErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
