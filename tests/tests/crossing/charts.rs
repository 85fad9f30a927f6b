//! Charts with versions that no tag can be, and charts that are in no registry.

use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::inside;

#[test]
fn helm_pulls_a_build_version_and_a_chart_that_was_only_a_file() {
    let (desk, source) = (Desk::new(), servers::registry2());
    let below = source.repository(&fresh_repository("charts"));
    let built = upstream::push_chart(&desk, "agent", "1.2.3+build.7", &below);
    desk.run("helm create local");
    desk.run("helm package local --version 0.3.0");
    desk.define(
        "core",
        &format!("charts: [{{ref: \"oci://{below}/agent\", version: ^1}}, {{path: local-0.3.0.tgz}}]"),
    );
    desk.archive("core");
    desk.site("sovereign");
    std::fs::create_dir(desk.path("pulled")).unwrap();
    for (at, target) in
        [servers::registry2_target(), servers::registry3(), servers::referrers()].iter().enumerate()
    {
        let (name, prefix) = (format!("target-{at}"), fresh_repository("inside"));
        desk.destination(&name, target, &prefix);
        desk.run(&format!("airgap-import load core.tar --state sovereign --to {name}.yaml"));
        let agent = inside(target, &prefix, &format!("{below}/agent"));
        let local = inside(target, &prefix, "charts.local/local");
        for (chart, version, content) in
            [(&agent, "1.2.3+build.7", &built), (&local, "0.3.0", &desk.read("local-0.3.0.tgz"))]
        {
            desk.run(&format!("helm pull oci://{chart} --version {version} --plain-http -d pulled"));
            let pulled = format!("pulled/{}-{version}.tgz", chart.rsplit('/').next().unwrap());
            assert!(desk.read(&pulled) == *content, "{}: {chart} changed on its way", target.name);
            std::fs::remove_file(desk.path(&pulled)).unwrap();
        }
    }
}
