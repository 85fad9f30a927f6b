//! What a 401 asks for, and whether the place it sends us to may see a password.

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::address;
use crate::error::shown;

/// Longest challenge that is looked at, in bytes.
const CHALLENGE_BYTES: usize = 4096;

/// Token servers that belong to a registry without sharing its domain's last labels.
const TOKEN_SERVERS: [(&str, &str); 1] = [("registry-1.docker.io", "auth.docker.io")];

/// A way to authenticate that a registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// RFC 7617: the credential itself, with every request.
    Basic,
    /// The token protocol of the distribution project.
    Bearer {
        /// Where tokens come from.
        realm: Url,
        /// What the token server calls the registry.
        service: Option<String>,
    },
}

/// The best challenge of an answer: Bearer before Basic.
///
/// # Errors
/// When the Bearer realm is one that must not see credentials.
pub(crate) fn read(headers: &HeaderMap, registry: &Url) -> Result<Option<Challenge>, String> {
    let mut best = None;
    for value in headers.get_all(WWW_AUTHENTICATE).iter().take(8) {
        let Ok(text) = value.to_str() else { continue };
        if text.len() > CHALLENGE_BYTES {
            continue;
        }
        let challenges = http_auth::parse_challenges(text).unwrap_or_default();
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                return read_bearer(&challenge, registry).map(Some);
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                best = Some(Challenge::Basic);
            }
        }
    }
    Ok(best)
}

fn read_bearer(challenge: &http_auth::ChallengeRef<'_>, registry: &Url) -> Result<Challenge, String> {
    let parameter = |wanted: &str| {
        let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.to_unescaped())
    };
    let text = parameter("realm").unwrap_or_default();
    let realm =
        Url::parse(&text).map_err(|_| format!("found the token realm {:?}, wanted a URL", shown(&text)))?;
    if !may_see_credentials(&realm, registry) {
        let (realm, registry) = (host_of(&realm), host_of(registry));
        return Err(format!(
            "found a token realm at {:?}, wanted one of the registry's host {registry} or of its domain, by https",
            shown(realm)
        ));
    }
    Ok(Challenge::Bearer { realm, service: parameter("service") })
}

fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Whether a registry may send us to `realm`: the same host, the same registrable domain, or the table.
/// By https, unless the registry itself is spoken to without TLS and the realm is the same host.
fn may_see_credentials(realm: &Url, registry: &Url) -> bool {
    let (realm_host, registry_host) = (host_of(realm), host_of(registry));
    let same_host = realm_host == registry_host;
    let scheme_is_safe = match realm.scheme() {
        "https" => true,
        "http" => registry.scheme() == "http" && same_host,
        _ => false,
    };
    let is_related = same_host
        || same_domain(realm_host, registry_host)
        || TOKEN_SERVERS.contains(&(registry_host, realm_host));
    scheme_is_safe && is_related
}

/// Whether two names share their registrable domain. Without a list of public suffixes that is the last
/// two labels; three where these look like a country's `co.uk`. So `a.github.io` and `b.github.io` count
/// as one: the rule is against accidents and foreign hosts, not against neighbours under one suffix.
fn same_domain(one: &str, other: &str) -> bool {
    fn domain(host: &str) -> Option<&str> {
        if address::literal(host).is_some() {
            return None;
        }
        let host = host.trim_end_matches('.');
        let dots: Vec<usize> = host.rmatch_indices('.').map(|(index, _)| index).collect();
        let start_after = |count: usize| match dots.get(count - 1) {
            Some(dot) => Some(dot + 1),
            None => (dots.len() + 1 == count).then_some(0),
        };
        let two = &host[start_after(2)?..];
        let is_country_suffix = two.split_once('.').is_some_and(|(second, top)| {
            top.len() == 2
                && matches!(second, "co" | "com" | "net" | "org" | "gov" | "edu" | "ac" | "or" | "ne")
        });
        if is_country_suffix { Some(&host[start_after(3)?..]) } else { Some(two) }
    }
    domain(one).is_some_and(|found| domain(other) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap())).fold(
            HeaderMap::new(),
            |mut map, (name, value)| {
                map.append(name, value);
                map
            },
        )
    }

    #[test]
    fn a_password_goes_to_the_registrys_own_token_server_only() {
        for (realm, registry, allowed, why) in [
            ("https://auth.docker.io/token", "https://registry-1.docker.io/", true, "Docker Hub"),
            ("https://ghcr.io/token", "https://ghcr.io/", true, "the same host"),
            ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com/", true, "the same domain"),
            ("https://a.example.co.uk/t", "https://b.example.co.uk/", true, "the same domain under co.uk"),
            ("https://evil.co.uk/t", "https://registry.co.uk/", false, "another domain under co.uk"),
            ("https://evil.example/token", "https://ghcr.io/", false, "another domain"),
            ("https://ghcr.io.evil.example/token", "https://ghcr.io/", false, "a look-alike"),
            ("http://ghcr.io/token", "https://ghcr.io/", false, "without TLS"),
            ("http://127.0.0.1:5001/token", "http://127.0.0.1:5000/", true, "another port on loopback"),
            ("http://127.0.0.2/token", "http://127.0.0.1/", false, "another address"),
            ("https://10.0.0.1/token", "https://10.1.0.1/", false, "last parts of an address are no domain"),
            ("https://token/t", "https://registry/", false, "two single names"),
            ("file:///etc/passwd", "https://ghcr.io/", false, "no web address"),
        ] {
            let (realm, registry) = (realm.parse().unwrap(), registry.parse().unwrap());
            assert_eq!(may_see_credentials(&realm, &registry), allowed, "{why}");
        }
    }

    #[test]
    fn bearer_is_preferred_and_nonsense_is_nothing() {
        let registry = Url::parse("https://ghcr.io/").unwrap();
        let bearer = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a:pull""#;
        for values in [vec!["Basic realm=\"x\"", bearer], vec![bearer, "Basic realm=\"x\""]] {
            let challenge = read(&headers(&values), &registry).unwrap().unwrap();
            assert!(matches!(challenge, Challenge::Bearer { service: Some(name), .. } if name == "ghcr.io"));
        }
        assert_eq!(read(&headers(&["Basic realm=\"harbor\""]), &registry), Ok(Some(Challenge::Basic)));
        for values in [vec![], vec![""], vec!["Negotiate"], vec!["=,=,\"\""]] {
            assert_eq!(read(&headers(&values), &registry), Ok(None), "{values:?}");
        }
        assert!(read(&headers(&["Bearer service=\"x\""]), &registry).is_err());
    }
}
