//! Who we are: tokens, passwords, and what Harbor makes of them.

use std::sync::Arc;

use axum::response::Response;
use clients::Problem;
use clients::http::{Credential, Method, Options};
use manifests::Digest;

use crate::server::{BASIC, Seen, Server, answer, logged_in, options, status};

const EMPTY_IS_THERE: u16 = 200;

/// A registry whose tokens hold for `uses` requests each, and whose later challenges are Harbor's.
fn with_tokens(uses: usize) -> impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static {
    let used = Arc::new(std::sync::Mutex::new((0, 0)));
    move |seen: &Seen| {
        let mut used = used.lock().unwrap();
        let (number, count) = &mut *used;
        let challenge =
            format!("Bearer realm=\"http://{}/token\",service=\"harbor-registry\"", seen.header("host"));
        if seen.path.starts_with("/token") {
            *number += 1;
            *count = 0;
            let body = format!(r#"{{"token":"t{number}","access_token":"","expires_in":1800}}"#);
            return answer(200, &[], body);
        }
        match seen.header("authorization") {
            "" => answer(401, &[("www-authenticate", &challenge)], ""),
            header if header == format!("Bearer t{number}") && *count < uses => {
                *count += 1;
                status(EMPTY_IS_THERE)
            }
            _ => answer(401, &[("www-authenticate", "Basic realm=\"harbor\"")], ""),
        }
    }
}

#[tokio::test]
async fn one_token_serves_many_requests_and_is_renewed_when_it_is_refused() {
    let server = Server::start(with_tokens(3)).await;
    let remote = server.remote_with(logged_in());
    for _ in 0..5 {
        assert!(remote.head_blob(Digest::of(b"")).await.unwrap());
    }
    let tokens: Vec<Seen> =
        server.seen().into_iter().filter(|seen| seen.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 2, "{:?}", server.lines());
    assert_eq!(tokens[0].path, "/token?service=harbor-registry&scope=repository%3Ateam%2Fapp%3Apull");
    assert!(tokens.iter().all(|seen| seen.header("authorization") == BASIC));
}

#[tokio::test]
async fn parallel_requests_wait_for_one_token() {
    let server = Server::start(with_tokens(100)).await;
    let remote = server.remote();
    remote.head_blob(Digest::of(b"")).await.unwrap();
    remote.host().forget_tokens();
    let requests = (0..8).map(|_| remote.head_blob(Digest::of(b"")));
    for outcome in futures_util::future::join_all(requests).await {
        outcome.unwrap();
    }
    let tokens = server.lines().iter().filter(|line| *line == "GET /token").count();
    assert_eq!(tokens, 2, "one at first, one after they were forgotten");
}

#[tokio::test]
async fn an_anonymous_token_is_asked_for_without_credentials() {
    let server = Server::start(with_tokens(9)).await;
    server.remote().head_blob(Digest::of(b"")).await.unwrap();
    let token = server.seen().into_iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    assert_eq!(token.header("authorization"), "");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let server = Server::start(with_tokens(9)).await;
    let credentials = Arc::new(|_: &str| Ok(Some(Credential::IdentityToken("refresh me".to_owned()))));
    let remote = server.remote_with(Options { credentials, ..options() });
    remote.head_blob(Digest::of(b"")).await.unwrap();
    let token = server.seen().into_iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    let body = String::from_utf8(token.body.unwrap().to_vec()).unwrap();
    assert_eq!(token.method, "POST");
    assert_eq!(
        body,
        "grant_type=refresh_token&service=harbor-registry&client_id=airgap\
         &scope=repository%3Ateam%2Fapp%3Apull&refresh_token=refresh+me"
    );
}

#[tokio::test]
async fn a_registry_with_basic_gets_the_password_after_it_asked() {
    let server = Server::start(|seen| match seen.header("authorization") {
        BASIC => status(200),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    })
    .await;
    let remote = server.remote_with(logged_in());
    remote.head_blob(Digest::of(b"")).await.unwrap();
    remote.head_blob(Digest::of(b"")).await.unwrap();
    let headers: Vec<bool> =
        server.seen().iter().map(|seen| !seen.header("authorization").is_empty()).collect();
    assert_eq!(headers, [false, true, true], "nothing is sent before it is asked for");
}

#[tokio::test]
async fn wrong_credentials_are_unauthorized_and_stay_secret() {
    let refusal = r#"{"errors":[{"code":"UNAUTHORIZED","message":"project P not found"}]}"#;
    for (realm, why) in [("Basic realm=\"r\"", "a wrong password"), ("", "Harbor without that project")] {
        let server = Server::start(move |_| answer(401, &[("www-authenticate", realm)], refusal)).await;
        let remote = server.remote_with(logged_in());
        let error = remote.get_manifest(Digest::of(b"")).await.unwrap_err();
        assert!(matches!(error.problem, Problem::Unauthorized(_)), "{why}: {error}");
        let text = format!("{error} {error:?} {remote:?}");
        assert!(text.contains("project P not found"), "{text}");
        assert!(!text.contains("secret") && !text.contains("cm9ib3Q"), "{text}");
    }
    let server = Server::start(|seen| match seen.path.as_str() {
        path if path.starts_with("/token") => answer(401, &[], "wrong password"),
        _ => answer(
            401,
            &[("www-authenticate", &format!("Bearer realm=\"http://{}/token\"", seen.header("host")))],
            "",
        ),
    })
    .await;
    let error = server.remote_with(logged_in()).head_blob(Digest::of(b"")).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Unauthorized(_)), "{error}");
    assert_eq!(server.seen().len(), 2, "a refusal is not repeated: it locks accounts");
}

#[tokio::test]
async fn a_password_is_not_carried_to_a_foreign_token_server() {
    let thief = Server::start_at("127.0.0.2", |_| answer(200, &[], r#"{"token":"x"}"#)).await;
    let realm = format!("Bearer realm=\"{}\"", thief.url("/token"));
    let server = Server::start(move |_| answer(401, &[("www-authenticate", &realm)], "")).await;
    let error = server.remote_with(logged_in()).head_blob(Digest::of(b"")).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.2"), "{error}");
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn the_api_tells_a_wrong_password_and_survives_a_locked_moment() {
    let server = Server::start(|seen| match (seen.index, seen.header("authorization")) {
        (0, _) => status(401),
        (_, BASIC) => answer(200, &[], "{}"),
        _ => status(401),
    })
    .await;
    let remote = server.remote_with(logged_in());
    let answered = remote.host().api(Method::GET, "/v2/", None).await.unwrap();
    assert_eq!(answered.status, 200);
    let anonymous = server.remote().host().api(Method::GET, "/v2/", None).await.unwrap();
    assert!(matches!(anonymous.problem(), Problem::Unauthorized(_)));
}
