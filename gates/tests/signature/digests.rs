//! Which manifests a rule that asks for each platform asks about.

use gates::Outcome;
use manifests::Descriptor;
use manifests::limits::INDEX_DEPTH;
use manifests::media_type::OCI_INDEX;
use serde_json::{Value, json};

use crate::signers::{Signer, says, signed};
use crate::support::{self, Store};

/// An index that lists these manifests, each for its platform where there is one.
fn index(store: &mut Store, listed: &[(&Descriptor, Option<Value>)]) -> Descriptor {
    let entry = |(manifest, platform): &(&Descriptor, Option<Value>)| {
        let mut entry = serde_json::to_value(manifest).unwrap();
        if let Some(platform) = platform {
            entry["platform"] = platform.clone();
        }
        entry
    };
    let manifests: Vec<Value> = listed.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    store.put(OCI_INDEX, index.to_string().as_bytes())
}

fn manifest(store: &mut Store, name: &str) -> Descriptor {
    let layer = store.put("application/vnd.oci.image.layer.v1.tar", name.as_bytes());
    store.manifest(&[(&layer, json!({}))], None)
}

/// The verdict where `signed_ones` are signed, and everything in `published` has to be.
fn verdict(store: &mut Store, published: &Descriptor, signed_ones: &[&Descriptor]) -> gates::Verdict {
    let alice = Signer::new(1);
    let evidence = signed_ones.iter().map(|one| signed(store, one.digest, &[&alice])).collect();
    let rules = support::policy(&format!("{{match: \"**\", {}, platforms: each}}", alice.key("notRequired")));
    support::verdict(&support::item(published, evidence), store, &rules)
}

#[test]
fn indexes_in_indexes_are_followed_to_their_limit_and_refused_beyond() {
    for (depth, is_followed) in [(1, true), (INDEX_DEPTH, true), (INDEX_DEPTH + 1, false)] {
        let mut store = Store::default();
        let inner = manifest(&mut store, "a");
        let mut outer = inner.clone();
        for _ in 0..depth {
            outer = index(&mut store, &[(&outer, None)]);
        }
        let all = verdict(&mut store, &outer, &[&outer, &inner]);
        if is_followed {
            assert_eq!(all.outcome, Outcome::Passed, "{depth}: {all:#?}");
            let outside = verdict(&mut store, &outer, &[&outer]);
            assert!(says(&outside, "found no signature"), "{depth}: {outside:#?}");
        } else {
            assert!(says(&all, "found indexes nested more than"), "{depth}: {all:#?}");
        }
    }
}

#[test]
fn what_a_machine_could_run_needs_a_signature_whatever_half_of_its_platform_is_unknown() {
    for (platform, needs_one) in [
        (Some(json!({"os": "unknown", "architecture": "amd64"})), true),
        (Some(json!({"os": "linux", "architecture": "unknown"})), true),
        (None, true),
        (Some(json!({"os": "unknown", "architecture": "unknown"})), false),
    ] {
        let mut store = Store::default();
        let (a, b) = (manifest(&mut store, "a"), manifest(&mut store, "b"));
        let amd64 = Some(json!({"os": "linux", "architecture": "amd64"}));
        let index = index(&mut store, &[(&a, amd64), (&b, platform.clone())]);
        let found = verdict(&mut store, &index, &[&index, &a]);
        assert_eq!(found.outcome == Outcome::Refused, needs_one, "{platform:?}: {found:#?}");
    }
}
