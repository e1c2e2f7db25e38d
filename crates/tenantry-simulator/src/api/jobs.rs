//! `/jobs`: the export of users, and what becomes of it.

use super::{ApiError, Call, Outcome, no_content, ok, reply};
use crate::exports::{Export, Field, Format};
use crate::tenant::Tenant;
use serde_json::{Value, json};

fn inexistent() -> ApiError {
    ApiError::not_found("The job does not exist.", Some("inexistent_job"))
}

const NOT_EXPORTABLE: [&str; 3] = ["blocked_for", "guardian_authenticators", "tenant"];

fn fields(body: &super::Object, format: Format) -> Result<Vec<Field>, ApiError> {
    let Some(items) = body.get("fields") else { return Ok(Vec::new()) };
    let items = items.as_array().ok_or_else(|| {
        ApiError::body("Payload validation error: 'Expected type array' on property fields.")
    })?;
    let mut found = Vec::new();
    for item in items {
        let Some(name) = item["name"].as_str() else { return Err(super::missing("name")) };
        if NOT_EXPORTABLE.contains(&name) {
            return Err(ApiError::body(&format!("The field {name} cannot be exported.")));
        }
        if format == Format::Csv && (name == "app_metadata" || name == "user_metadata") {
            return Err(ApiError::body(&format!("The field {name} cannot be exported as a whole to csv.")));
        }
        let shown = item["export_as"].as_str().unwrap_or(name);
        found.push(Field { name: name.to_owned(), shown: shown.to_owned() });
    }
    if format == Format::Csv && found.len() > 30 {
        return Err(ApiError::body(
            "Payload validation error: 'Array is too long (31), maximum 30' on property fields.",
        ));
    }
    Ok(found)
}

pub(crate) fn export(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !tenant.config.export_allowed {
        let message = "Please upgrade your subscription to use users export.";
        return Err(ApiError::new(403, message, Some("feature_not_enabled")));
    }
    let body = call.strict(&["connection_id", "format", "limit", "fields"])?;
    // Without a format the file is csv.
    let format = match body.get("format").and_then(Value::as_str) {
        Some("json") => Format::Json,
        Some("csv") | None => Format::Csv,
        Some(other) => {
            let wrong = format!("Payload validation error: 'No enum match for: {other}' on property format.");
            return Err(ApiError::body(&wrong));
        }
    };
    let connection = body.get("connection_id").and_then(Value::as_str).map(str::to_owned);
    if connection.as_ref().is_some_and(|c| !tenant.connections.contains_key(c)) {
        return Err(ApiError::bad("The connection does not exist.", Some("inexistent_connection")));
    }
    let export = Export {
        fields: fields(&body, format)?,
        format,
        limit: body.get("limit").and_then(Value::as_u64),
        connection: connection.clone(),
    };
    let id = tenant.id("job");
    let mut shown = body;
    if let Some(name) =
        connection.and_then(|c| tenant.connections.get(&c)).and_then(|c| c.get("name")).cloned()
    {
        shown.insert("connection".into(), name);
    }
    let duration = tenant.config.export_micros;
    let job = tenant.jobs.start(&id, export, shown, call.now, duration);
    ok(job)
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let origin = call.origin();
    ok(tenant.jobs.show(call.param(0), &origin, &tenant.config, call.now).ok_or_else(inexistent)?)
}

pub(crate) fn errors(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !tenant.jobs.contains(call.param(0)) {
        return Err(inexistent());
    }
    no_content()
}

/// A verification mail: a job that is done at once.
pub(crate) fn verification_email(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let user = super::required(&call.object()?, "user_id")?;
    if tenant.users.slot(&user).is_none() {
        return Err(super::users::inexistent());
    }
    let id = tenant.id("job");
    let at = crate::time::millis(call.now / 1000);
    reply(201, json!({ "type": "verification_email", "status": "pending", "created_at": at, "id": id }))
}
