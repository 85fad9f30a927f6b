//! The paths of the OCI distribution specification, as far as they read.

use manifests::Digest;
use manifests::reference::{is_host, is_path};

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/v2/`
    Version,
    /// `/v2/<name>/tags/list`
    Tags(&'a str),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(&'a str, &'a str),
    /// `/v2/<name>/blobs/<digest>`
    Blob(&'a str, Digest),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(&'a str, Digest),
}

/// The route of a path; none for what is no path of the specification.
pub(super) fn route(path: &str) -> Option<Route<'_>> {
    let rest = path.strip_prefix("/v2")?;
    if rest.is_empty() || rest == "/" {
        return Some(Route::Version);
    }
    let rest = rest.strip_prefix('/')?;
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return is_name(name).then_some(Route::Tags(name));
    }
    let (front, last) = rest.rsplit_once('/')?;
    let (name, kind) = front.rsplit_once('/')?;
    if !is_name(name) {
        return None;
    }
    match kind {
        "manifests" => Some(Route::Manifest(name, last)),
        "blobs" => Some(Route::Blob(name, last.parse().ok()?)),
        "referrers" => Some(Route::Referrers(name, last.parse().ok()?)),
        _ => None,
    }
}

/// A repository, or a host with a repository, also as its place is written: together they may be longer than a path.
fn is_name(name: &str) -> bool {
    is_path(name)
        || name.split_once('/').is_some_and(|(host, rest)| (is_host(host) || is_path(host)) && is_path(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_specification_are_routes() {
        let digest = Digest::of(b"");
        let blob = format!("/v2/a/b/blobs/{digest}");
        let long = format!("a.example_5000/{}", "a".repeat(255));
        let of_long = format!("/v2/{long}/tags/list");
        for (path, wanted) in [
            ("/v2/", Some(Route::Version)),
            ("/v2", Some(Route::Version)),
            ("/v2/ghcr.io/a/b/manifests/1.0", Some(Route::Manifest("ghcr.io/a/b", "1.0"))),
            ("/v2/127.0.0.1:5000/a/tags/list", Some(Route::Tags("127.0.0.1:5000/a"))),
            (&of_long, Some(Route::Tags(&long))),
            ("/v2/tags/list/tags/list", Some(Route::Tags("tags/list"))),
            (&blob, Some(Route::Blob("a/b", digest))),
            ("/v2/a/blobs/sha256:00", None),
            ("/v2/a/../b/manifests/x", None),
            ("/v2/A/manifests/x", None),
            ("/v2/_catalog", None),
            ("/", None),
            ("/v2/a/blobs/uploads/", None),
        ] {
            assert_eq!(route(path), wanted, "{path}");
        }
    }
}
