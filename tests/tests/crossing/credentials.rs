//! Registries that know whom they let in: the credentials are those of `docker login`.

use tests::command::finish;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::{inside, web};

/// Runs a command with the Docker configuration in this folder, which must end with this status, and gives what it
/// printed.
fn ends_as(desk: &Desk, configuration: &str, line: &str, status: i32) -> (String, String) {
    finish(desk.command(line).env("DOCKER_CONFIG", desk.path(configuration)), status)
}

#[test]
fn the_account_of_docker_login_opens_the_source_and_the_target_and_another_writes_nothing() {
    let (desk, registry) = (Desk::new(), servers::registry2_auth());
    let (user, password) = registry.credentials.clone().unwrap();
    let host = &registry.address;
    desk.log_in(host, &user, &password);
    let login = format!("crane auth login {host} -u {user} -p");
    ends_as(&desk, "account", &format!("{login} {password}"), 0);
    ends_as(&desk, "mistyped", &format!("{login} mistyped-{password}"), 0);
    desk.write("nobody/config.json", "{}");
    let below = registry.repository(&fresh_repository("private"));
    upstream::push(&desk, &web(), &format!("{below}/web:2"));
    desk.define("core", &format!("images: [{{ref: \"{below}/web:2\"}}]"));

    let lock = "airgap-bundle lock core.yaml --quiet";
    for stranger in ["mistyped", "nobody"] {
        let (_, error) = ends_as(&desk, stranger, lock, 1);
        fails_clearly(&error, &["failed: ", host, "401"], &password);
        assert!(!desk.path("core.lock.json").exists(), "{stranger}");
    }
    ends_as(&desk, "account", lock, 0);
    let build = "airgap-bundle build core.yaml --key build-1.key -o core.tar";
    let (_, error) = ends_as(&desk, "mistyped", build, 1);
    fails_clearly(&error, &["failed: ", host, "401"], &password);
    assert!(!desk.path("core.tar").exists());
    ends_as(&desk, "account", build, 0);

    desk.site("sovereign");
    let prefix = fresh_repository("inside");
    desk.destination("target", &registry, &prefix);
    let there = inside(&registry, &prefix, &below);
    let load = "airgap-import load core.tar --state sovereign --to target.yaml";
    let untouched = desk.files("sovereign");
    for stranger in ["mistyped", "nobody"] {
        let (_, error) = ends_as(&desk, stranger, load, 1);
        fails_clearly(&error, &["failed: ", host, "401"], &password);
        assert!(desk.files("sovereign") == untouched, "{stranger}: the state changed");
        let (_, error) = desk.ends(&format!("crane ls {there}/web"), 1);
        assert!(error.contains("NAME_UNKNOWN"), "{stranger}: {error}");
    }
    ends_as(&desk, "account", load, 0);
    assert_eq!(desk.run(&format!("crane digest {there}/web:2")).trim(), web().digest().to_string());
    desk.run(&format!("crane validate --remote {there}/web:2"));
    desk.run(&format!("skopeo inspect --tls-verify=false docker://{there}/web:2"));

    // The password stands where `docker login` put it, and nowhere else.
    for kept in ["core.lock.json", "core.lock.d", "core.tar", "sovereign"] {
        let files = desk.files(kept);
        let files = if files.is_empty() { vec![(desk.path(kept), desk.read(kept))] } else { files };
        for (path, content) in files {
            let content = String::from_utf8_lossy(&content).into_owned();
            assert!(!content.contains(&password), "found the password in {}", path.display());
        }
    }
}

/// One failure a line, each of which says these; none says the password.
fn fails_clearly(error: &str, said: &[&str], password: &str) {
    assert!(error.lines().count() > 0);
    for line in error.lines() {
        assert!(said.iter().all(|wanted| line.contains(wanted)), "wanted {said:?} in {line}\nof {error}");
    }
    assert!(!error.contains(password), "found the password in {error}");
}
