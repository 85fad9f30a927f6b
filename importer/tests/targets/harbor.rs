//! Into Harbor, with what Harbor refuses.

use axum::http::{Method, StatusCode};
use fixtures::faults::{Fault, Rule};
use fixtures::harbor::Harbor;
use fixtures::image::{self, Signer};
use fixtures::registry::{Options, Registry};
use serde_json::Value;

use crate::support::{Brought, Site, http, small_image, text, writes};

/// What an importer's robot needs.
const RIGHTS: [(&str, &str); 5] = [
    ("repository", "pull"),
    ("repository", "push"),
    ("artifact", "read"),
    ("project", "read"),
    ("immutable-tag", "list"),
];

/// A Harbor with a registry behind it, and a robot that may do what an importer needs.
pub(crate) struct Inside {
    harbor: Harbor,
    pub(crate) behind: Registry,
    robot: (String, String),
}

impl Inside {
    pub(crate) fn new() -> Self {
        Self::with_rights(&[])
    }

    /// One with the project that images of `ghcr.io` go to.
    pub(crate) fn with_project() -> Self {
        let inside = Self::new();
        inside.project("ghcr.io", -1);
        inside
    }

    /// One whose robot may do more.
    fn with_rights(more: &[(&str, &str)]) -> Self {
        Self::of(&[&RIGHTS[..], more].concat())
    }

    /// One whose robot may do this and nothing else.
    fn of(rights: &[(&str, &str)]) -> Self {
        let behind = Registry::start(Options::default()).unwrap();
        let harbor = Harbor::start(&behind.url()).unwrap();
        let mut inside = Self { harbor, behind, robot: <_>::default() };
        let access: Vec<Value> = rights
            .iter()
            .map(|(resource, action)| serde_json::json!({ "resource": resource, "action": action }))
            .collect();
        let body = serde_json::json!({
            "name": "import", "duration": -1, "level": "system",
            "permissions": [{ "kind": "project", "namespace": "*", "access": access }],
        });
        let made: Value = serde_json::from_str(&inside.admin("POST", "robots", &body.to_string())).unwrap();
        inside.robot =
            (made["name"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
        inside
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> String {
        let admin = Harbor::admin();
        let url = format!("{}/api/v2.0/{path}", self.harbor.url());
        let (status, text) = http(method, &url, Some((&admin.user, &admin.password)), body);
        assert!(status < 300, "{method} {path}: {status} {text}");
        text
    }

    pub(crate) fn project(&self, name: &str, limit: i64) {
        let body =
            format!(r#"{{"project_name":"{name}","storage_limit":{limit},"metadata":{{"public":"false"}}}}"#);
        self.admin("POST", "projects", &body);
    }

    /// The project gives out nothing that has no cosign signature.
    fn ask_for_signatures(&self, project: &str) {
        let rule = r#"{"metadata":{"enable_content_trust_cosign":"true"}}"#;
        self.admin("PUT", &format!("projects/{project}"), rule);
    }

    /// No tag of the project may point elsewhere any more.
    fn freeze_all_tags(&self, project: &str) {
        let rule = r#"{"disabled":false,"action":"immutable","template":"immutable_template","scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]},"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"}]}"#;
        self.admin("POST", &format!("projects/{project}/immutabletagrules"), rule);
    }

    /// A site that is logged in, and the destinations.
    pub(crate) fn site(&self, create: bool) -> (Site, String) {
        let site = Site::new();
        site.log_in(&self.harbor.host(), &self.robot.0, &self.robot.1);
        let more = format!("type: harbor, projects: {{create: {create}}}");
        let to = text(&site.registry(&self.harbor.url(), &more));
        self.harbor.forget_requests();
        (site, to)
    }
}

fn one(site: &Site, day: u32) -> String {
    text(
        &site.archive(
            day,
            vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", &format!("web {day}")))],
        ),
    )
}

#[test]
fn missing_projects_are_made_and_layers_mounted_across_them() {
    let inside = Inside::new();
    inside.project("docker.io", -1);
    let (site, to) = inside.site(true);
    let items = vec![
        Brought::new("ghcr.io/demo/web:1", &small_image("base", "web")),
        Brought::new("docker.io/demo/app:1", &small_image("base", "app")),
        Brought::new("quay.io/demo/tool:1", &small_image("base", "tool")),
    ];
    let archive = text(&site.archive(3, items));
    let planned = site.succeed(&["plan", &archive, "--to", &to]);
    assert!(planned.contains("the project ghcr.io") && planned.contains("the project quay.io"), "{planned}");
    assert!(!planned.contains("the project docker.io"), "{planned}");
    assert_eq!(writes(&inside.harbor.requests()), [""; 0], "a plan changes nothing");

    site.succeed(&["load", &archive, "--to", &to]);
    let shared = small_image("base", "web").blobs()[1].digest();
    let requests = inside.harbor.requests();
    let sent =
        requests.iter().filter(|request| request.method == "PUT" && request.query.contains(&shared.hex()));
    assert_eq!(sent.count(), 1, "sent once, mounted twice");
    assert!(requests.iter().all(|request| request.header("cookie").is_none()), "no cookies are kept");
    for repository in ["ghcr.io/demo/web", "docker.io/demo/app", "quay.io/demo/tool"] {
        let tags = inside.behind.store().tags(repository).unwrap();
        assert!(
            tags[0] == "1" && tags[1].ends_with(".sig") && tags.len() == 2,
            "this Harbor counts no bundles: {tags:?}"
        );
    }
    inside.harbor.forget_requests();
    let again = site.succeed(&["load", &archive, "--to", &to]);
    assert!(again.contains("nothing was sent"), "{again}");
    assert_eq!(writes(&inside.harbor.requests()), [""; 0]);
}

#[test]
fn what_the_api_tells_is_told_before_the_first_byte() {
    /// A name, what is done to Harbor first, and what is said about it.
    type Case = (&'static str, fn(&Inside), &'static str);
    let cases: [Case; 6] = [
        ("no project, and none to be made", |_| {}, "found no project ghcr.io"),
        (
            "read-only",
            |inside| {
                inside.project("ghcr.io", -1);
                inside.admin("PUT", "configurations", r#"{"read_only":true}"#);
            },
            "read-only mode",
        ),
        ("a quota", |inside| inside.project("ghcr.io", 1000), "1000 bytes of room in the project ghcr.io"),
        (
            "a quota that counts each blob once",
            |inside| inside.project("ghcr.io", 1000),
            "or less where the project has some of it in other repositories",
        ),
        (
            "a proxy cache",
            |inside| {
                inside.admin("POST", "projects", r#"{"project_name":"ghcr.io","registry_id":7}"#);
            },
            "proxy cache",
        ),
        (
            "a disabled robot",
            |inside| {
                inside.project("ghcr.io", -1);
                inside.harbor.disable_robot(&inside.robot.0);
            },
            "no name and password",
        ),
    ];
    for (name, arrange, said) in cases {
        let inside = Inside::new();
        arrange(&inside);
        let (site, to) = inside.site(false);
        let archive = one(&site, 3);
        let errors = site.fail(1, &["load", &archive, "--to", &to]);
        assert!(errors.contains(said), "{name}: {errors}");
        assert_eq!(writes(&inside.harbor.requests()), [""; 0], "{name}");
        assert_eq!(writes(&inside.behind.requests()), [""; 0], "{name}");
    }
}

#[test]
fn a_project_whose_name_is_a_number_is_not_taken_for_an_id() {
    let inside = Inside::new();
    inside.project("2024", 1000);
    let site = Site::new();
    site.log_in(&inside.harbor.host(), &inside.robot.0, &inside.robot.1);
    let more = "type: harbor, map: [{from: ghcr.io, to: 2024/x}]";
    let to = text(&site.registry(&inside.harbor.url(), more));
    let errors = site.fail(1, &["load", &one(&site, 3), "--to", &to]);
    assert!(errors.contains("1000 bytes of room in the project 2024"), "{errors}");
}

#[test]
fn the_password_of_a_person_will_do_as_well_as_a_robot_s() {
    let inside = Inside::new();
    let (site, to) = inside.site(true);
    let admin = Harbor::admin();
    site.log_in(&inside.harbor.host(), &admin.user, &admin.password);
    site.succeed(&["load", &one(&site, 3), "--to", &to]);
    let there = inside.behind.store().manifest("ghcr.io/demo/web", "1").unwrap();
    assert_eq!(there.digest, small_image("base", "web 3").digest());
    let again = site.succeed(&["load", &one(&site, 3), "--to", &to]);
    assert!(again.contains("nothing was sent"), "{again}");
}

#[test]
fn a_path_that_harbor_has_no_room_for_is_told_before_the_first_byte() {
    let inside = Inside::new();
    inside.project("ghcr.io", -1);
    let (site, to) = inside.site(false);
    // Both with the project: `ghcr.io/` are 8 bytes.
    let named = |day: u32, bytes: usize| {
        let name = format!("ghcr.io/{}:1", "a".repeat(bytes - 8));
        text(&site.archive(day, vec![Brought::new(&name, &small_image("base", "web"))]))
    };
    let long = named(3, 246);
    for verb in ["plan", "load"] {
        let errors = site.fail(2, &[verb, &long, "--to", &to]);
        assert!(errors.contains("at most 245 bytes") && errors.contains("map:"), "{errors}");
    }
    assert_eq!(writes(&inside.harbor.requests()), [""; 0]);
    site.succeed(&["load", &named(4, 245), "--to", &to]);
}

#[test]
fn rules_of_a_project_that_decide_about_pulls_are_announced() {
    let (without, with) = ([RIGHTS[0], RIGHTS[1]], RIGHTS);
    for (rights, said) in [
        (&without[..], "we may not read the project ghcr.io, so its rules are not known"),
        (&with[..], "the project ghcr.io lets nobody pull what its scanner has not passed"),
    ] {
        let inside = Inside::of(rights);
        inside.project("ghcr.io", -1);
        inside.admin("PUT", "projects/ghcr.io", r#"{"metadata":{"prevent_vul":"true"}}"#);
        let (site, to) = inside.site(false);
        let archive = one(&site, 3);
        let planned = site.succeed(&["plan", &archive, "--to", &to]);
        let notices = planned.lines().filter(|line| line.trim_start().starts_with("notice"));
        let [notice] = notices.collect::<Vec<_>>()[..] else { panic!("{planned}") };
        assert!(notice.contains(said), "{planned}");
        site.succeed(&["load", &archive, "--to", &to]);
    }
}

#[test]
fn a_tag_that_may_not_move_is_told_and_one_that_need_not_move_is_fine() {
    let inside = Inside::with_project();
    let (site, to) = inside.site(false);
    let first = one(&site, 3);
    site.succeed(&["load", &first, "--to", &to]);
    inside.freeze_all_tags("ghcr.io");
    site.succeed(&["load", &first, "--to", &to]);
    inside.harbor.forget_requests();
    let errors = site.fail(1, &["load", &one(&site, 4), "--to", &to]);
    assert!(errors.contains("immutable") && errors.contains("ghcr.io/demo/web:1"), "{errors}");
    assert_eq!(writes(&inside.harbor.requests()), [""; 0]);
}

#[test]
fn a_signature_tag_that_is_frozen_as_soon_as_it_is_there_is_put_once() {
    let inside = Inside::with_project();
    inside.freeze_all_tags("ghcr.io");
    let (site, to) = inside.site(false);
    let image = small_image("base", "web");
    let signature = image::legacy_signature(image.digest(), "ghcr.io/demo/web", &[Signer::named("a")]);
    let brought = Brought::new("ghcr.io/demo/web:1", &image).with_legacy("sig", &signature);
    let archive = text(&site.archive(3, vec![brought]));
    site.succeed(&["load", &archive, "--to", &to]);
    let tag = image::legacy_tag(image.digest(), "sig");
    let stored = inside.behind.store().manifest("ghcr.io/demo/web", &tag).unwrap();
    let manifest: Value = serde_json::from_slice(&stored.bytes).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2, "upstream's and the site's own");
    inside.harbor.forget_requests();
    let again = site.succeed(&["load", &archive, "--to", &to]);
    assert!(again.contains("nothing was sent"), "{again}");
    assert_eq!(writes(&inside.harbor.requests()), [""; 0]);
}

#[test]
fn a_legacy_signature_that_would_not_fit_under_its_frozen_tag_is_told_before_the_first_byte() {
    let inside = Inside::with_project();
    let (site, to) = inside.site(false);
    let image = small_image("base", "web");
    let signed = |day: u32, signers: &[Signer]| {
        let signature = image::legacy_signature(image.digest(), "ghcr.io/demo/web", signers);
        let brought = Brought::new("ghcr.io/demo/web:1", &image).with_legacy("sig", &signature);
        text(&site.archive(day, vec![brought]))
    };
    let first = signed(3, &[Signer::named("a")]);
    site.succeed(&["load", &first, "--to", &to]);
    inside.freeze_all_tags("ghcr.io");
    let again = site.succeed(&["load", &first, "--to", &to]);
    assert!(again.contains("nothing was sent"), "what is there already fits: {again}");
    inside.harbor.forget_requests();
    let more = signed(4, &[Signer::named("a"), Signer::named("b")]);
    for command in ["plan", "load"] {
        let errors = site.fail(1, &[command, &more, "--to", &to]);
        let tag = format!("ghcr.io/demo/web:{}", image::legacy_tag(image.digest(), "sig"));
        assert!(errors.contains("immutable") && errors.contains(&tag), "{command}: {errors}");
        assert_eq!(writes(&inside.harbor.requests()), [""; 0], "{command}");
    }
}

#[test]
fn a_policy_that_keeps_content_from_us_is_announced_and_the_answer_to_the_upload_counts() {
    let inside = Inside::with_project();
    inside.ask_for_signatures("ghcr.io");
    let (site, to) = inside.site(false);
    let image = small_image("base", "web");
    let bundle = image::bundle_referrer(&image.descriptor(), &Signer::named("a"));
    let brought = Brought::new("ghcr.io/demo/web:1", &image).with_referrer(&bundle, image.digest());
    let archive = text(&site.archive(3, vec![brought]));
    let planned = site.succeed(&["plan", &archive, "--to", &to]);
    assert!(planned.contains("no cosign signature"), "{planned}");
    site.succeed(&["load", &archive, "--to", &to]);
    let receipt = site.succeed(&["receipt", "show", "--json"]);
    assert!(receipt.contains("putAnswer"), "{receipt}");
    let legacy = format!("sha256-{}.sig", image.digest().hex());
    let tags = inside.behind.store().tags("ghcr.io/demo/web");
    assert_eq!(tags, Some(vec!["1".to_owned(), legacy]), "the site's own signature, which it counts");
    inside.harbor.forget_requests();
    site.succeed(&["load", &archive, "--to", &to]);
    assert_eq!(writes(&inside.harbor.requests()), [""; 0], "the API says what is there");
}

#[test]
fn content_without_a_tag_that_a_policy_keeps_from_us_is_asked_for_by_its_digest() {
    // With this right, no reference at all is the list of everything.
    let inside = Inside::with_rights(&[("artifact", "list")]);
    inside.project("ghcr.io", -1);
    inside.ask_for_signatures("ghcr.io");
    let (site, to) = inside.site(false);
    let image = small_image("base", "web");
    let name = format!("ghcr.io/demo/web@{}", image.digest());
    let archive = text(&site.archive(3, vec![Brought::new(&name, &image)]));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    inside.harbor.forget_requests();
    site.succeed(&["publish", "1", "--to", &to]);
    let place = &site.last_receipt()["items"][0]["places"][0];
    assert_eq!(place["confirmation"], "present", "the API says that it is there: {place}");
    let put = format!("PUT /v2/ghcr.io/demo/web/manifests/{}", image.digest());
    let written = writes(&inside.harbor.requests());
    assert!(!written.iter().any(|line| line.starts_with(&put)), "{written:?}");
}

#[test]
fn content_that_was_held_is_asked_for_by_its_digest_where_its_name_is_elsewhere() {
    let inside = Inside::with_project();
    inside.ask_for_signatures("ghcr.io");
    let (site, to) = inside.site(false);
    site.succeed(&["load", &one(&site, 3), "--to", &to]);
    let next = one(&site, 4);
    site.succeed(&["load", &next, "--to", &to, "--hold"]);
    site.succeed(&["publish", "2", "--to", &to]);
    let place = &site.last_receipt()["items"][0]["places"][0];
    assert_eq!(place["confirmation"], "present", "{place}");
    assert_eq!(place["name"]["previous"], small_image("base", "web 3").digest().to_string(), "{place}");
}

/// Destinations with a Harbor and a registry, in this order or the other.
fn with_registry(site: &Site, inside: &Inside, registry: &Registry, is_harbor_first: bool) -> String {
    let harbor = (inside.harbor.url(), "harbor");
    let registry = (registry.url(), "oci");
    let [(url, kind), (other, more)] = if is_harbor_first { [harbor, registry] } else { [registry, harbor] };
    text(&site.registry(&url, &format!("type: {kind}}}, {{name: other, url: \"{other}\", type: {more}")))
}

#[test]
fn a_tag_that_was_frozen_while_a_load_was_held_keeps_the_names_at_every_target() {
    let inside = Inside::with_project();
    let (site, _) = inside.site(false);
    let registry = Registry::start(Options::default()).unwrap();
    let to = with_registry(&site, &inside, &registry, false);
    site.succeed(&["load", &one(&site, 3), "--to", &to]);
    site.succeed(&["load", &one(&site, 4), "--to", &to, "--hold"]);
    inside.freeze_all_tags("ghcr.io");
    let errors = site.fail(1, &["publish", "2", "--to", &to]);
    let old = small_image("base", "web 3").digest();
    let at = |registry: &Registry| registry.store().manifest("ghcr.io/demo/web", "1").unwrap().digest;
    assert_eq!((at(&registry), at(&inside.behind)), (old, old), "{errors}");
    assert!(errors.contains("immutable") && errors.contains("ghcr.io/demo/web:1"), "{errors}");
}

#[test]
fn a_name_that_points_there_already_is_published_though_it_was_frozen_meanwhile() {
    let inside = Inside::with_project();
    let (site, to) = inside.site(false);
    let archive = one(&site, 3);
    site.succeed(&["load", &archive, "--to", &to]);
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    inside.freeze_all_tags("ghcr.io");
    site.succeed(&["publish", "2", "--to", &to]);
    let places = site.last_receipt()["items"][0]["places"].clone();
    assert_eq!(places[0]["name"]["outcome"], "unchanged", "{places}");
}

#[test]
fn a_name_that_a_cut_load_set_and_a_rule_froze_is_not_set_again() {
    let inside = Inside::with_project();
    inside.freeze_all_tags("ghcr.io");
    let (site, _) = inside.site(false);
    let registry = Registry::start(Options::default()).unwrap();
    let to = with_registry(&site, &inside, &registry, true);
    let archive = one(&site, 3);
    registry.fault(Rule::new("/manifests/1", Fault::Status(StatusCode::FORBIDDEN)).on(Method::PUT));
    site.fail(1, &["load", &archive, "--to", &to]);
    assert!(inside.behind.store().manifest("ghcr.io/demo/web", "1").is_some(), "it is set at one of them");
    registry.clear_faults();
    site.succeed(&["load", &archive, "--to", &to]);
    let places = site.last_receipt()["items"][0]["places"].clone();
    assert_eq!(places[0]["name"]["outcome"], "set", "no other receipt says so: {places}");
}
