//! The next page of a listing: `Link: <...>; rel="next"` (RFC 8288, as the distribution specification
//! uses it).

use reqwest::Url;
use reqwest::header::LINK;

use crate::error::Problem;
use crate::http::Parts;

/// The URL of the next page; none after the last.
///
/// # Errors
/// When it leads to another server: a listing is not redirected.
pub(super) fn next(parts: &Parts, origin: &Url) -> Result<Option<Url>, Problem> {
    for value in parts.headers.get_all(LINK) {
        let Ok(text) = value.to_str() else { continue };
        let Some((target, parameters)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            continue;
        };
        let parameters = parameters.to_ascii_lowercase();
        let is_next = parameters.split(';').any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        if !is_next {
            continue;
        }
        let malformed = || Problem::Protocol("found a Link to the next page that is no URL".to_owned());
        let url = parts.url.join(target).map_err(|_| malformed())?;
        if url == parts.url {
            return Err(Problem::Protocol("found a page of a listing that is its own next page".to_owned()));
        }
        if url.origin() == origin.origin() {
            return Ok(Some(url));
        }
        // A registry behind a proxy that ends TLS names itself by http: the path is what counts.
        if url.host_str() == origin.host_str() {
            let relative = format!("{}?{}", url.path(), url.query().unwrap_or_default());
            return origin.join(&relative).map(Some).map_err(|_| malformed());
        }
        let reason = "the next page of a listing is at the same host";
        let to = crate::error::shown(url.host_str().unwrap_or_default());
        return Err(Problem::RedirectRefused { to, reason });
    }
    Ok(None)
}
