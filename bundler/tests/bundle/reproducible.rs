//! One lock, one archive: whatever the machine.

use fixtures::registry::Options;
use fixtures::upstream;

use crate::project::Project;

/// The signature's slot holds the time of signing, and nothing else may differ.
const SLOT: std::ops::Range<usize> = 512..512 + 16_384;

#[test]
fn the_same_lock_gives_the_same_bytes_in_another_time_zone_locale_umask_and_parallelism() {
    let upstream = upstream::start(Options::default()).unwrap();
    let host = upstream.host();
    let project = Project::new(&format!(
        "images: [{{ref: \"{host}/demo/app:1.4.2\"}}, {{ref: \"{host}/demo/web:2.0.1\"}}], charts: [{{ref: \"oci://{host}/charts/agent\"}}]"
    ));
    project.lock();
    let binary = env!("CARGO_BIN_EXE_airgap-bundle");
    let build = |name: &str, umask: &str, connections: u32, variables: &[(&str, &str)]| {
        project.write(
            "hosts.yaml",
            format!("apiVersion: airgap/v1\nkind: Hosts\nspec: {{hosts: {{\"{host}\": {{connections: {connections}}}}}}}\n"),
        );
        let script = format!(
            "umask {umask}; exec {binary} build core.yaml --key build-1.key --hosts hosts.yaml -o {name}"
        );
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(project.folder()).envs(variables.iter().copied());
        assert!(shell.status().unwrap().success());
        let mut bytes = project.read(name);
        assert!(bytes[SLOT].starts_with(b"{"));
        bytes[SLOT].fill(0);
        bytes
    };
    let one = build("one.tar", "022", 1, &[("TZ", "Pacific/Kiritimati"), ("LANG", "C")]);
    let two = build(
        "two.tar",
        "077",
        16,
        &[("TZ", "America/Anchorage"), ("LANG", "de_DE.UTF-8"), ("LC_ALL", "tr_TR.UTF-8")],
    );
    assert!(one == two, "found two archives of one lock");
    assert_eq!(project.verify("one.tar")["identity"], project.verify("two.tar")["identity"]);
}
