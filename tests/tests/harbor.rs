//! Into Harbor, which stands in front of a real registry: what it makes, what it refuses, and what stock tools
//! find by its address.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use std::time::{Duration, Instant};

use fixtures::harbor::Harbor;
use fixtures::image::{self, Artifact, Format, Layer};
use serde_json::{Value, json};
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

/// What a robot account needs to import.
const RIGHTS: [(&str, &str); 6] = [
    ("repository", "pull"),
    ("repository", "push"),
    ("artifact", "read"),
    ("project", "read"),
    ("immutable-tag", "list"),
    ("quota", "read"),
];

/// A Sovereign with a Harbor, and an upstream that has `web:2`.
struct Inside {
    desk: Desk,
    harbor: Harbor,
    /// `HOST/REPOSITORY` upstream.
    web: String,
}

impl Inside {
    fn new() -> Self {
        let desk = Desk::new();
        let web = servers::registry3().repository(&format!("{}/web", fresh_repository("team")));
        let harbor = Harbor::start(&format!("http://{}", servers::registry2_target().address)).unwrap();
        let inside = Self { desk, harbor, web };
        let access = RIGHTS.map(|(resource, action)| json!({"resource": resource, "action": action}));
        let robot = json!({
            "name": "import", "duration": -1, "level": "system",
            "permissions": [{"kind": "project", "namespace": "*", "access": access}],
        });
        let made: Value = serde_json::from_str(&inside.api("POST", "robots", &robot)).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        inside.desk.log_in(&inside.harbor.host(), &text("name"), &text("secret"));
        let url = inside.harbor.url();
        for (name, create) in [("harbor", true), ("given", false)] {
            let registry =
                format!("{{name: harbor, url: \"{url}\", type: harbor, projects: {{create: {create}}}}}");
            inside.desk.destinations(name, &format!("registries: [{registry}]"));
        }
        inside.desk.site("sovereign");
        inside
    }

    /// Asks Harbor's API as its administrator.
    fn api(&self, method: &str, path: &str, body: &Value) -> String {
        let admin = Harbor::admin();
        let line = format!(
            "curl -sS --fail -u {}:{} -X {method} -H content-type:application/json {}/api/v2.0/{path} -d",
            admin.user,
            admin.password,
            self.harbor.url()
        );
        tests::command::succeed(self.desk.command(&line).arg(body.to_string()))
    }

    /// The project that content of the upstream goes to.
    fn project(&self) -> String {
        self.web.split('/').next().unwrap().replace(':', "_")
    }

    /// The image, as it is named at Harbor.
    fn there(&self) -> String {
        let (_, path) = self.web.split_once('/').unwrap();
        format!("{}/{}/{path}:2", self.harbor.host(), self.project())
    }

    /// Puts an image upstream as `web:2`, and writes it into an archive that is younger than the one before.
    fn release(&self, image: &Artifact) {
        upstream::push(&self.desk, image, &format!("{}:2", self.web));
        self.desk.define("core", &format!("images: [{{ref: \"{}:2\"}}]", self.web));
        let created = || {
            let lock = std::fs::read(self.desk.path("core.lock.json")).ok()?;
            Some(serde_json::from_slice::<Value>(&lock).unwrap()["created"].as_str().unwrap().to_owned())
        };
        // The serial is the lock's second, and two releases in one would be an alarm.
        let (before, start) = (created(), Instant::now());
        while created() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "found the same second for a minute");
            self.desk.run("airgap-bundle lock core.yaml");
        }
        let _ = std::fs::remove_file(self.desk.path("core.tar"));
        self.desk.run("airgap-bundle build core.yaml --key build-1.key -o core.tar");
    }

    fn load(&self, to: &str, status: i32) -> (String, String) {
        self.desk.ends(&format!("airgap-import load core.tar --state sovereign --to {to}.yaml"), status)
    }

    /// Every request that could have changed something.
    fn writes(&self) -> Vec<String> {
        let requests = self.harbor.requests().into_iter();
        let writes = requests.filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD"));
        writes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

fn image(release: &str) -> Artifact {
    let layers = [Layer::with_files("base in Harbor", 60_000), Layer::with_files(release, 20_000)];
    image::image("linux/amd64", &layers, Format::Oci)
}

#[test]
fn a_robot_makes_the_project_and_stock_tools_find_what_was_loaded() {
    let inside = Inside::new();
    let desk = &inside.desk;
    upstream::make_signer(desk);
    let image = image("first");
    upstream::push(desk, &image, &format!("{}:2", inside.web));
    upstream::sign(desk, &format!("{}@{}", inside.web, image.digest()));
    inside.release(&image);

    let planned = desk.run("airgap-import plan core.tar --state sovereign --to harbor.yaml");
    assert!(planned.contains(&format!("the project {}", inside.project())), "{planned}");
    inside.load("harbor", 0);
    let there = inside.there();
    assert_eq!(desk.run(&format!("crane digest {there}")).trim(), image.digest().to_string());
    desk.run(&format!("crane validate --remote {there}"));
    let shown = desk.json(&format!("skopeo inspect --tls-verify=false docker://{there}"));
    assert_eq!(shown["Digest"], image.digest().to_string());
    upstream::verify(desk, &there);
    let found = desk.json(&format!("oras discover --plain-http --format json {there}"));
    // Upstream's signature, the site's in both forms, as this Harbor counts the older one only, and its summary.
    assert_eq!(found["referrers"].as_array().map(Vec::len), Some(4), "{found}");
    let mut stranger = desk.command(&format!("crane digest {there}"));
    let stranger = stranger.env("DOCKER_CONFIG", desk.path("nobody")).env("HOME", desk.path("nobody"));
    let output = stranger.output().unwrap();
    assert!(!output.status.success(), "a stranger reads a project that is private");

    inside.harbor.forget_requests();
    let (said, _) = inside.load("harbor", 0);
    assert!(said.contains("nothing was sent"), "{said}");
    assert_eq!(inside.writes(), [""; 0]);
    desk.run("airgap-import receipt verify --state sovereign");
}

#[test]
fn what_harbor_refuses_is_told_before_the_first_byte_and_no_tag_moves() {
    /// What is done to a Harbor that has the first release, and what is then said about the second one.
    type Case = (&'static str, fn(&Inside), &'static str);
    let cases: [Case; 4] = [
        (
            "read-only",
            |inside| drop(inside.api("PUT", "configurations", &json!({"read_only": true}))),
            "read-only mode",
        ),
        (
            "a tag that may not move",
            |inside| {
                let selector =
                    |decoration| json!([{"kind": "doublestar", "decoration": decoration, "pattern": "**"}]);
                let rule = json!({
                    "disabled": false, "action": "immutable", "template": "immutable_template",
                    "scope_selectors": {"repository": selector("repoMatches")}, "tag_selectors": selector("matches"),
                });
                inside.api("POST", &format!("projects/{}/immutabletagrules", inside.project()), &rule);
            },
            "immutable",
        ),
        (
            "a robot that is disabled",
            |inside| inside.harbor.disable_robot("robot$import"),
            "no name and password",
        ),
        (
            "tokens that expired and a robot that is disabled",
            |inside| {
                inside.harbor.disable_robot("robot$import");
                inside.harbor.expire_tokens();
            },
            "docker login",
        ),
    ];
    for (why, arrange, said) in cases {
        let inside = Inside::new();
        inside.release(&image("first"));
        inside.load("harbor", 0);
        arrange(&inside);
        inside.release(&image("second"));
        let untouched = inside.desk.files("sovereign");
        inside.harbor.forget_requests();
        let (_, error) = inside.load("harbor", 1);
        assert!(error.starts_with("failed: ") && error.contains(said), "{why}: {error}");
        assert_eq!(error.lines().count(), 1, "{why}: {error}");
        assert_eq!(inside.writes(), [""; 0], "{why}");
        assert!(inside.desk.files("sovereign") == untouched, "{why}: the state changed");

        let admin = Harbor::admin();
        inside.desk.log_in(&inside.harbor.host(), &admin.user, &admin.password);
        let digest = inside.desk.run(&format!("crane digest {}", inside.there()));
        assert_eq!(digest.trim(), image("first").digest().to_string(), "{why}");
    }
}

#[test]
fn a_project_that_is_missing_or_full_is_told_before_the_first_byte() {
    for (why, limit, said) in [
        ("no project, and none to be made", None, "found no project"),
        ("no room in it", Some(10_000), "bytes of room"),
    ] {
        let inside = Inside::new();
        inside.release(&image("first"));
        if let Some(limit) = limit {
            let project = json!({"project_name": inside.project(), "storage_limit": limit});
            inside.api("POST", "projects", &project);
        }
        let untouched = inside.desk.files("sovereign");
        inside.harbor.forget_requests();
        let (_, error) = inside.load("given", 1);
        assert!(error.starts_with("failed: harbor: ") && error.contains(said), "{why}: {error}");
        assert!(error.contains(&inside.project()), "{why}: {error}");
        assert_eq!(error.lines().count(), 1, "{why}: {error}");
        assert_eq!(inside.writes(), [""; 0], "{why}");
        assert!(inside.desk.files("sovereign") == untouched, "{why}: the state changed");
    }
}
