//! What is inside already: only that makes a finding one that an update may have too.

use serde_json::{Value, json};

use crate::archive::Draft;
use crate::rejudgement::follow;
use crate::scan_report::finding;
use crate::site::{Setup, Site, USUAL, text};

/// A draft with a Critical in its image.
fn critical(day: u32) -> Draft {
    let found: Value = json!([finding("CVE-2026-0001", "CRITICAL", "known before")]);
    Draft { findings: Some(found), ..Draft::on(day) }
}

#[test]
fn only_what_names_of_the_channel_point_to_is_inside() {
    let strict = "{version: 2, vulnerabilities: {critical: deny, unchanged: warn}}";
    type Load = fn(&Site);
    let published: Load = |site| drop(site.load(&site.archive(&critical(3))));
    let held: Load = |site| {
        let path = text(&site.archive(&critical(3)).path);
        site.succeed(&["load", &path, "--to", "content", "--hold"]);
    };
    let of_another: Load = |site| drop(site.load(&site.archive(&Draft { channel: "other", ..critical(3) })));
    let left_out: Load = |site| {
        let artifact = ("application/x", b"no image".to_vec());
        let path = text(&site.archive(&Draft { artifacts: vec![artifact], ..critical(3) }).path);
        let verified = site.json(&["verify", &path]);
        let items = verified["judgements"][0]["items"].as_array().unwrap();
        let artifact =
            items.iter().find(|item| item["kind"] == "artifact").unwrap()["name"].as_str().unwrap();
        site.succeed(&["load", &path, "--to", "content", "--only", artifact]);
    };
    for (load, is_inside, why) in [
        (published, true, "its names are set"),
        (held, false, "it is held"),
        (of_another, false, "it is another channel's"),
        (left_out, false, "it was not loaded"),
    ] {
        let site = Site::with(Setup { policy: "{vulnerabilities: {critical: warn}}", ..USUAL });
        load(&site);
        follow(&site, strict);
        let next = site.archive(&critical(4));
        if is_inside {
            site.load(&next);
        } else {
            let said = site.refuse(&next, &[]);
            assert!(said.contains("found CVE-2026-0001"), "{why}: {said}");
        }
    }
}
