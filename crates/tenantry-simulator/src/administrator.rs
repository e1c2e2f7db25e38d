//! Calls of the Management API from inside, as an administrator's script makes them: through the same handlers that requests reach.
//!
//! Knows no rate limit and no fault: those are the business of requests.

use crate::api::{Caller, dispatch, routes};
use crate::http::Request;
use crate::scopes;
use crate::tenant::Tenant;
use serde_json::Value;

/// One call, a moment after `now`; `None` where it was refused.
pub(crate) fn call(
    tenant: &mut Tenant,
    now: &mut i64,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<Value> {
    let mut request = Request::new(method, &format!("/api/v2{path}"));
    if !body.is_null() {
        request = request.json(body);
    }
    let request = request.header("user-agent", "churn/1.0");
    let caller = Caller { client_id: crate::CLIENT_ID.into(), scopes: scopes::all().into_iter().collect() };
    *now += 3_000;
    let found = routes::find(method, request.path.trim_start_matches("/api/v2"))?;
    let response = dispatch::perform(tenant, &request, &found, caller, *now);
    (response.status < 300).then(|| response.json())
}
