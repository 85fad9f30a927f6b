//! What `build` takes: a lock that fits its definition, a policy, settings of hosts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Auth, Credentials, Options, Registry};
use fixtures::upstream;
use serde_json::json;

use crate::project::{BUILD, Project, Ran, item};

fn small() -> (Registry, Project) {
    let registry = Registry::start(Options::default()).unwrap();
    let image = image::image("linux/amd64", &[Layer::with_files("app", 5_000)], Format::Oci);
    image.put(registry.store(), "demo/app", Some("1")).unwrap();
    let project = Project::new("images: [{from: list.txt}]");
    project.write("list.txt", format!("{}/demo/app:1\n", registry.host()));
    (registry, project)
}

#[test]
fn what_changed_since_the_lock_is_named() {
    let (registry, project) = small();
    project.run(&BUILD).fails(2, &["core.lock.json", "run `airgap-bundle lock` first"]);
    project.lock();
    project.write("list.txt", format!("{}/demo/app:1 # the same\n", registry.host()));
    project.define("images: [{from: list.txt}], importBefore: 1d");
    project.run(&BUILD).fails(2, &["core.yaml", "list.txt", "changed since the lock"]);
    std::fs::remove_file(project.path("list.txt")).unwrap();
    project.run(&BUILD).fails(2, &["list.txt", "gone since the lock"]);
    assert!(!project.path("core.tar.partial").exists());
}

#[test]
fn a_lock_that_was_edited_by_hand_is_not_believed() {
    let (_registry, project) = small();
    project.lock();
    let good = project.locked();
    let other = format!("sha256:{}", "0".repeat(64));
    for (pointer, value, why) in [
        ("/content/0/digest", json!(other), "another layer than the manifest's"),
        ("/content/0/size", json!(1), "another size"),
        ("/content", json!([]), "a layer left out"),
        ("/items/0/item/published/digest", json!(other), "a manifest that nobody has"),
        ("/items/0/item/name", json!("registry.example/b"), "a name that is not a full reference"),
        ("/apiVersion", json!("airgap/v2"), "another version"),
        ("/created", json!("2020-01-01"), "a time in another form"),
    ] {
        let mut lock = good.clone();
        *lock.pointer_mut(pointer).unwrap() = value;
        project.write("core.lock.json", lock.to_string());
        let ran = project.run(&BUILD);
        assert_eq!(ran.status(), 2, "{why}: {}", ran.stderr());
    }
}

#[test]
fn a_damaged_file_beside_the_lock_is_named_and_fetched_again_by_lock() {
    let (_registry, project) = small();
    project.lock();
    let lock = project.locked();
    let config = lock["metadata"][1]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let path = format!("core.lock.d/sha256/{config}");
    let mut bytes = project.read(&path);
    bytes[0] ^= 1;
    project.write(&path, bytes);
    project.run(&BUILD).fails(2, &[config, "airgap-bundle lock"]);
    assert!(!project.path("core.tar").exists());
    project.lock();
    project.build();
}

#[test]
fn a_gate_that_this_version_lacks_is_a_refusal_and_not_ignored() {
    let (_registry, project) = small();
    project.lock();
    let with = |spec: &str| {
        project.write("policy.yaml", format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{{spec}}}\n"));
        project.run(&[&BUILD[..], &["--policy", "policy.yaml"]].concat())
    };
    with("models: {}").fails(3, &["the gate models"]);
    with("malware: {}").fails(2, &["policy.yaml", "command"]);
    with("order: {olderSerial: maybe}").fails(2, &["policy.yaml"]);
    let built = with("order: {olderSerial: deny}").json();
    assert_eq!(built["judgement"]["gates"], serde_json::json!([]));
}

#[test]
fn what_this_version_cannot_do_is_named() {
    let project =
        Project::new("git: [], images: [{ref: a, tags: ~16}], charts: [{repo: \"https://x\", name: y}]");
    let said = ["found git", "images[0].tags", "charts[0].repo", "not in this version"];
    project.run(&["lock", "core.yaml"]).fails(2, &said);
    project.run(&BUILD).fails(2, &said);
    project.define("imges: []");
    project.run(&["lock", "core.yaml"]).fails(2, &["did you mean `images`"]);
}

#[test]
fn a_users_hosts_file_overrides_the_definition_and_is_no_part_of_the_lock() {
    let upstream = upstream::start(Options::default()).unwrap();
    let project = Project::new(
        "hosts: {registry.example: {mirror: \"127.0.0.1:1\"}}, images: [{ref: \"registry.example/demo/web:2.0.1\"}]",
    );
    let hosts = |host: &str| {
        format!(
            "apiVersion: airgap/v1\nkind: Hosts\nspec: {{hosts: {{registry.example: {{mirror: \"{host}\"}}}}}}\n"
        )
    };
    std::fs::create_dir_all(project.path(".config/airgap")).unwrap();
    project.write(".config/airgap/hosts.yaml", hosts(&upstream.host()));
    assert_eq!(project.lock()["hosts"], json!([upstream.host()]));
    item(&project.locked(), "registry.example/demo/web:2.0.1");
    project.build();

    // The file on the command line wins over the one in the user's folder.
    project.write("mine.yaml", hosts(&upstream.host()));
    project.write(".config/airgap/hosts.yaml", hosts("127.0.0.1:1"));
    project.run(&["lock", "core.yaml", "--hosts", "mine.yaml"]).succeeds();
    project.write("mine.yaml", "apiVersion: airgap/v1\nkind: Hosts\nspec: {host: {}}\n");
    project
        .run(&["lock", "core.yaml", "--hosts", "mine.yaml"])
        .fails(2, &["mine.yaml", "did you mean `hosts`"]);
}

#[test]
fn credentials_come_from_the_docker_configuration_and_tokens_are_renewed() {
    let credentials = Credentials { user: "build".into(), password: "secret-word".into() };
    for auth in [
        Auth::Basic(credentials.clone()),
        Auth::Bearer { credentials, anonymous_pull: false, uses: Some(40) },
    ] {
        let upstream = upstream::start(Options { auth, ..Options::default() }).unwrap();
        let host = upstream.host();
        let project = Project::new(&format!(
            "images: [{{ref: \"{host}/demo/app:1.4.2\"}}, {{ref: \"{host}/demo/web:2.0.1\"}}]"
        ));
        let ran = project.run(&["lock", "core.yaml"]);
        ran.fails(1, &["demo/app:1.4.2", "demo/web:2.0.1", "401"]);
        // build:secret-word
        let logged_in = json!({"auths": {&host: {"auth": "YnVpbGQ6c2VjcmV0LXdvcmQ="}}});
        project.write("config.json", logged_in.to_string());
        let ran = project.run(&["lock", "core.yaml"]).succeeds();
        assert!(!(ran.stdout() + &ran.stderr()).contains("secret-word"));
        project.build();
        let lock = String::from_utf8(project.read("core.lock.json")).unwrap();
        assert!(!lock.contains("secret-word") && !lock.contains("YnVpbGQ6"));
        project.verify("core.tar");
    }
}

#[test]
fn credentials_come_from_the_helpers_that_docker_names() {
    let credentials = Credentials { user: "build".into(), password: "secret-word".into() };
    let upstream = upstream::start(Options { auth: Auth::Basic(credentials), ..Options::default() }).unwrap();
    let host = upstream.host();
    let project = Project::new(&format!("images: [{{ref: \"{host}/demo/web:2.0.1\"}}]"));
    let lock = || {
        let path =
            std::env::join_paths([project.folder(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Ran(project.command(&["lock", "core.yaml"]).env("PATH", path).output().unwrap())
    };
    let helper = |script: &str| {
        let path = project.path("docker-credential-vault");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let answers = format!(
        r#"[ "$1" = get ] && [ "$(cat)" = "{host}" ] && echo '{{"ServerURL":"{host}","Username":"build","Secret":"secret-word"}}'"#
    );
    for config in [json!({"credHelpers": {&host: "vault"}}), json!({"credsStore": "vault"})] {
        project.write("config.json", config.to_string());
        helper(&answers);
        lock().succeeds();
        helper("cat > /dev/null; echo credentials not found in native keychain; exit 1");
        lock().fails(1, &["demo/web:2.0.1", "401"]);
        helper("cat > /dev/null; echo locked, secret-word; exit 1");
        let failed = lock().fails(2, &["demo/web:2.0.1", "vault failed"]);
        assert!(!(failed.stdout() + &failed.stderr()).contains("secret-word"));
    }
}

#[test]
fn lock_says_whom_it_will_ask_before_it_fails_to() {
    let project = Project::new(
        "hosts: {ghcr.io: {mirror: \"127.0.0.1:1/hub\"}}, images: [{ref: \"ghcr.io/demo/web:1\"}, {ref: \"127.0.0.1:2/demo/web:1\"}], charts: [{ref: \"oci://127.0.0.1:1/demo/chart\"}]",
    );
    let ran = project.run(&["lock", "core.yaml"]);
    ran.fails(1, &["will ask       127.0.0.1:1, 127.0.0.1:2\n"]);
}
