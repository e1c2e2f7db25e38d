//! Answers: pages that begin at once and end when their rows are there, redirects, downloads; with headers that allow no page more than it needs.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use maud::{Markup, PreEscaped, html};
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

use super::access::Refusal;
use super::assets::Asset;
use super::layout;
use super::visit::Visit;
use super::words::Words;

/// Scripts, styles and pictures come from us alone, and so does everything that a script may ask; nobody may frame us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What kept a page from being made.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// What failed.
    pub(super) what: String,
    /// What to do.
    pub(super) hint: Option<&'static str>,
}

impl From<DestinationError> for Trouble {
    fn from(error: DestinationError) -> Self {
        // What is wrong with a question is said by the engine alone; everything else needs to say what was being done.
        let what =
            if error.kind == DestinationErrorKind::Query { error.message.clone() } else { error.to_string() };
        Self { what, hint: None }
    }
}

impl From<arrow_schema::ArrowError> for Trouble {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self { what: error.to_string(), hint: None }
    }
}

/// Content of a page, or of a part of it.
pub(super) type Content = Result<Markup, Trouble>;

/// A part of a page that is not there yet.
pub(super) type Later = BoxFuture<'static, Content>;

/// Content that can be read before all of it is there.
pub(super) struct Parts {
    pub(super) first: Markup,
    /// What follows, in this order. All of it is asked for at the same time.
    pub(super) later: Vec<Later>,
}

impl From<Markup> for Parts {
    fn from(first: Markup) -> Self {
        Self { first, later: Vec::new() }
    }
}

/// A page whose frame is sent at once, and its content as soon as it is there.
pub(super) fn page<P: Into<Parts>>(
    visit: &Visit,
    title: &str,
    content: impl Future<Output = Result<P, Trouble>> + Send + 'static,
) -> Response {
    let words = visit.words;
    let head = layout::head(visit, title).into_string();
    let content =
        async move { content.await.map_or_else(|trouble| sorry(words, &trouble).into(), Into::into) };
    let parts = stream::once(content).flat_map(move |Parts { first, later }| {
        let most = later.len().max(1);
        let later = stream::iter(later).buffered(most);
        let later =
            later.map(move |part| part.unwrap_or_else(|trouble| sorry(words, &trouble)).into_string());
        stream::once(std::future::ready(layout::opened(&first).into_string())).chain(later)
    });
    let whole = stream::once(std::future::ready(head))
        .chain(parts)
        .chain(stream::once(std::future::ready(layout::closed().into_string())));
    html_of(
        StatusCode::OK,
        Body::from_stream(whole.map(|part| Ok::<_, std::convert::Infallible>(Bytes::from(part)))),
    )
}

/// A page that is there whole, with a status of its own.
pub(super) fn whole(visit: &Visit, status: StatusCode, title: &str, content: &Markup) -> Response {
    let text = [layout::head(visit, title), layout::opened(content), layout::closed()]
        .map(Markup::into_string)
        .concat();
    html_of(status, Body::from(text))
}

/// A box that says what failed.
pub(super) fn sorry(words: Words, trouble: &Trouble) -> Markup {
    html! {
        section.notice.is-bad role="alert" {
            h2 { (words.say("That did not work", "処理できませんでした")) }
            pre.message { (trouble.what) }
            @if let Some(hint) = trouble.hint { p { (hint) } }
        }
    }
}

/// A page for somebody who was not let in; it tells nothing of the tenant.
pub(super) fn refuse(words: Words, refusal: Refusal, has_password: bool, failed: bool) -> Response {
    let (status, title, text) = match refusal {
        Refusal::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            words.say("This console is not served under that name", "この名前では提供していません"),
            words.say(
                "Open the address that tenantry has printed.",
                "tenantryが表示したアドレスを開いてください。",
            ),
        ),
        Refusal::Site => (
            StatusCode::FORBIDDEN,
            words.say(
                "Refused: the request came from another site",
                "他のサイトからのリクエストは拒否されます",
            ),
            words.say(
                "Type the address into the browser instead of following a link.",
                "リンクからではなく、アドレスを直接入力してください。",
            ),
        ),
        Refusal::Word => (
            StatusCode::FORBIDDEN,
            words.say(
                "Refused: the form is not one of this session",
                "このセッションのフォームではありません",
            ),
            words.say(
                "Go back, reload the page and try again.",
                "前のページを再読み込みして、もう一度お試しください。",
            ),
        ),
        Refusal::Session if has_password => (
            StatusCode::UNAUTHORIZED,
            words.say("Sign in", "ログイン"),
            words.say(
                "This console is protected by a password.",
                "このコンソールはパスワードで保護されています。",
            ),
        ),
        Refusal::Session => (
            StatusCode::UNAUTHORIZED,
            words.say("This browser has not been let in", "このブラウザーはまだ許可されていません"),
            words.say(
                "Open the link that tenantry has printed last: each link opens the console once.",
                "tenantryが最後に表示したリンクを開いてください。リンクは一度だけ有効です。",
            ),
        ),
    };
    let form = html! {
        @if refusal == Refusal::Session && has_password {
            form.stack method="post" action="/login" {
                label for="password" { (words.say("Password", "パスワード")) }
                input #password type="password" name="password" autocomplete="current-password" required autofocus;
                @if failed { p.is-bad role="alert" { (words.say("That is not the password.", "パスワードが違います。")) } }
                button.button type="submit" { (words.say("Sign in", "ログイン")) }
            }
        }
    };
    html_of(status, Body::from(layout::door(words, title, text, &form).into_string()))
}

/// Goes on to another address of ours.
pub(super) fn redirect(to: &str) -> Response {
    // An address that holds something else than one of ours would have is not followed.
    let safe = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Body::empty());
    let place = HeaderValue::from_str(if safe { to } else { "/" });
    response.headers_mut().insert(header::LOCATION, place.unwrap_or(HeaderValue::from_static("/")));
    response
}

/// The same with a cookie to keep.
pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) fn asset(asset: &'static Asset) -> Response {
    let mut response = answer(StatusCode::OK, asset.kind, Body::from(asset.bytes));
    let forever = HeaderValue::from_static("private, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    response
}

/// A file to keep.
pub(super) fn download(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = answer(StatusCode::OK, kind, Body::from(bytes));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// A part of a page, or a document for a script.
pub(super) fn part(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    answer(status, kind, body.into())
}

fn html_of(status: StatusCode, body: Body) -> Response {
    answer(status, "text/html; charset=utf-8", body)
}

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    guard(headers);
    response
}

/// Headers that every answer has.
fn guard(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Text that is markup already, of our own.
pub(super) const fn raw(text: &'static str) -> PreEscaped<&'static str> {
    PreEscaped(text)
}
