//! Answers in the forms of the OCI distribution specification.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use manifests::Digest;
use serde_json::json;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// An answer with a body of a known length, which a HEAD announces as well.
pub(super) fn sized(
    status: StatusCode,
    media_type: &str,
    length: u64,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    set(&mut answer, header::CONTENT_TYPE, media_type);
    answer
}

/// A JSON document.
pub(super) fn document(status: StatusCode, media_type: &str, value: &serde_json::Value) -> Response<Body> {
    let text = value.to_string();
    sized(status, media_type, text.len() as u64, text)
}

/// An error document.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    document(status, "application/json", &json!({ "errors": [{ "code": code, "message": message }] }))
}

/// Names the content of an answer.
pub(super) fn set_digest(answer: &mut Response<Body>, digest: &Digest) {
    set(answer, CONTENT_DIGEST, &digest.to_string());
    set(answer, header::ETAG, &format!("\"{digest}\""));
}

/// Sets a header, where the text can stand in one.
pub(super) fn set(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
