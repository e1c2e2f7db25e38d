//! `POST /oauth/token`, and the tokens that it gives.
//!
//! A token has the three parts of a JWT with real header and claims, so that clients may look inside; its last part
//! is a keyed hash, so the tenant keeps no list of tokens. Client assertions are checked in shape alone, never in
//! signature: this is no identity provider.

use crate::api::{Answer, ApiError, Body, Caller, Outcome};
use crate::http::{Query, Request};
use crate::random::hash;
use crate::tenant::Tenant;
use crate::time::SECOND;
use crate::{CLIENT_ID, CLIENT_SECRET, scopes};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The token endpoint's errors have a shape of their own.
#[expect(clippy::unnecessary_wraps, reason = "it ends functions that give outcomes")]
fn refuse(status: u16, error: &str, description: &str) -> Outcome {
    let body = json!({ "error": error, "error_description": description });
    Ok(Answer { status, headers: Vec::new(), body: Body::Json(body) })
}

fn parameters(request: &Request) -> Option<BTreeMap<String, String>> {
    let kind = request.header_value("content-type").unwrap_or_default();
    let mut found: BTreeMap<String, String> = if kind.starts_with("application/x-www-form-urlencoded") {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        Query::parse(&text).pairs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    } else {
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        body.as_object()?.iter().map(|(k, v)| (k.clone(), text(v))).collect()
    };
    if let Some((id, secret)) = basic(request) {
        found.insert("client_id".into(), id);
        found.insert("client_secret".into(), secret);
    }
    Some(found)
}

fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = request.header_value("authorization")?.strip_prefix("Basic ")?;
    let plain = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    Some((crate::http::decode(id), crate::http::decode(secret)))
}

/// Answers `POST /oauth/token`.
pub(crate) fn issue(tenant: &mut Tenant, request: &Request, now: i64) -> Outcome {
    let Some(given) = parameters(request) else {
        return refuse(400, "invalid_request", "Unexpected body: neither JSON nor a form");
    };
    let get = |name: &str| given.get(name).map(String::as_str);
    match get("grant_type") {
        None => return refuse(403, "invalid_request", "Missing required parameter: grant_type"),
        Some("client_credentials") => {}
        Some(other) => {
            let text = format!("Grant type '{other}' not allowed for the client.");
            return refuse(403, "unauthorized_client", &text);
        }
    }
    let assertion = get("client_assertion");
    let client_id = match (get("client_id"), assertion) {
        (Some(id), _) => id.to_owned(),
        (None, Some(assertion)) => claims(assertion).and_then(|c| text_of(&c, "iss")).unwrap_or_default(),
        (None, None) => return refuse(403, "invalid_request", "Missing required parameter: client_id"),
    };
    if !authentic(tenant, &client_id, get("client_secret"), assertion, get("client_assertion_type")) {
        return refuse(401, "access_denied", "Unauthorized");
    }
    let Some(audience) = get("audience") else {
        return refuse(403, "invalid_request", "Missing required parameter: audience");
    };
    if !audience.ends_with("/api/v2/") {
        return refuse(403, "access_denied", &format!("Service not found: {audience}"));
    }
    let Some(scopes) = granted(tenant, &client_id) else {
        let text = format!(
            "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to \
             this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
        );
        return refuse(403, "access_denied", &text);
    };
    let scope = scopes.join(" ");
    let lifetime = tenant.config.token_micros / SECOND;
    let token = sign(tenant, &client_id, &scope, now / SECOND, lifetime);
    log_exchange(tenant, request, &client_id, audience, &scope, now);
    let body =
        json!({ "access_token": token, "scope": scope, "expires_in": lifetime, "token_type": "Bearer" });
    let headers = vec![("cache-control".into(), "no-store".into())];
    Ok(Answer { status: 200, headers, body: Body::Json(body) })
}

fn authentic(
    tenant: &Tenant,
    client_id: &str,
    secret: Option<&str>,
    assertion: Option<&str>,
    kind: Option<&str>,
) -> bool {
    if let Some(assertion) = assertion {
        let jwt_bearer = kind == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let issuer = claims(assertion).and_then(|c| text_of(&c, "iss"));
        return jwt_bearer && issuer.as_deref() == Some(client_id) && tenant.clients.contains_key(client_id);
    }
    let expected = match client_id {
        CLIENT_ID => Some(CLIENT_SECRET),
        other => tenant.clients.get(other).and_then(|c| c.get("client_secret")).and_then(Value::as_str),
    };
    expected.is_some() && expected == secret
}

/// The scopes of a client's grant for the Management API.
fn granted(tenant: &Tenant, client_id: &str) -> Option<Vec<String>> {
    if client_id == CLIENT_ID {
        return Some(tenant.config.scopes.clone().unwrap_or_else(scopes::all));
    }
    let audience = tenant.config.audience();
    let grant = tenant.client_grants.values().find(|g| {
        g.get("client_id").and_then(Value::as_str) == Some(client_id)
            && g.get("audience").and_then(Value::as_str) == Some(&audience)
    })?;
    match grant.get("scope").and_then(Value::as_array) {
        Some(scopes) => Some(scopes.iter().filter_map(|s| s.as_str().map(str::to_owned)).collect()),
        None => Some(scopes::all()),
    }
}

fn text_of(claims: &Value, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::to_owned)
}

/// The claims of a three-part token, unverified.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn signature(tenant: &Tenant, signed: &str) -> String {
    let first = hash(format!("{}|{signed}", tenant.config.seed).as_bytes());
    let second = hash(format!("{first}|{signed}").as_bytes());
    URL_SAFE_NO_PAD.encode([first.to_be_bytes(), second.to_be_bytes()].concat())
}

fn sign(tenant: &Tenant, client_id: &str, scope: &str, now: i64, lifetime: i64) -> String {
    let host = tenant.config.host();
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": tenant.secret("kid", 21) });
    let claims = json!({
        "iss": format!("https://{host}/"),
        "sub": format!("{client_id}@clients"),
        "aud": tenant.config.audience(),
        "iat": now,
        "exp": now + lifetime,
        "scope": scope,
        "gty": "client-credentials",
        "azp": client_id,
    });
    let encode = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signature(tenant, &signed);
    format!("{signed}.{signature}")
}

fn unauthorized(message: &str) -> ApiError {
    let mut error = ApiError::new(401, message, None);
    error.attributes = Some(Box::new(json!({ "error": message })));
    error
}

/// What a genuine token says. Kept for the next call, which mostly comes with the same token: to read one anew takes longer than to answer.
pub(crate) struct Genuine {
    token: String,
    client_id: String,
    scopes: BTreeSet<String>,
    /// Seconds since 1970.
    expires: i64,
}

fn genuine(tenant: &Tenant, token: &str) -> Result<Genuine, ApiError> {
    let (signed, given) = token.rsplit_once('.').ok_or_else(|| unauthorized("Invalid token"))?;
    let claims = claims(token).ok_or_else(|| unauthorized("Invalid token"))?;
    if given != signature(tenant, signed) {
        return Err(unauthorized("Invalid signature received for JSON Web Token validation"));
    }
    let scopes = text_of(&claims, "scope").unwrap_or_default();
    Ok(Genuine {
        token: token.to_owned(),
        client_id: text_of(&claims, "azp").unwrap_or_default(),
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        expires: claims["exp"].as_i64().unwrap_or_default(),
    })
}

/// Checks the bearer token of a Management API call. `last` is the token of the call before.
pub(crate) fn verify(
    tenant: &Tenant,
    last: &mut Option<Genuine>,
    request: &Request,
    now: i64,
) -> Result<Caller, ApiError> {
    let Some(header) = request.header_value("authorization") else {
        return Err(ApiError::new(401, "Missing authentication", None));
    };
    let Some(token) = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")) else {
        return Err(ApiError::bad("Bad HTTP authentication header format", Some("Bearer")));
    };
    let known = match last.take().filter(|known| known.token == token) {
        Some(known) => known,
        None => genuine(tenant, token)?,
    };
    let known = last.insert(known);
    if known.expires <= now / SECOND {
        return Err(unauthorized("Expired token received for JSON Web Token validation"));
    }
    // A scope taken from the reader's application counts at once, so that tests need not wait for a new token.
    let granted = tenant.config.scopes.as_ref().filter(|_| known.client_id == CLIENT_ID);
    let counts = |scope: &&String| granted.is_none_or(|granted| granted.contains(*scope));
    let scopes = known.scopes.iter().filter(counts).cloned().collect();
    Ok(Caller { client_id: known.client_id.clone(), scopes })
}

fn log_exchange(
    tenant: &mut Tenant,
    request: &Request,
    client_id: &str,
    audience: &str,
    scope: &str,
    now: i64,
) {
    if !tenant.config.log_own_traffic {
        return;
    }
    let name = tenant.clients.get(client_id).and_then(|c| c.get("name")).cloned().unwrap_or_default();
    let fields = json!({
        "description": "",
        "connection_id": "",
        "client_id": client_id,
        "client_name": name,
        "ip": crate::audit::caller_ip(request),
        "client_ip": null,
        "user_agent": crate::audit::user_agent(request),
        "hostname": tenant.config.host(),
        "user_id": "",
        "user_name": "",
        "audience": audience,
        "scope": scope,
        "tenant_name": tenant.config.tenant,
        "$event_schema": { "version": "1.0.0" },
    });
    if let Value::Object(fields) = fields {
        tenant.emit("seccft", now, fields);
    }
}
