//! What an item is called: a rule asks by kind, and the kind is its preparer's word.

use gates::{Outcome, Verdict};
use manifests::inventory::ItemKind;
use manifests::media_type::{HELM_CONFIG, OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST};
use manifests::{Descriptor, Digest};
use serde_json::json;

use crate::support::{self, Store};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A manifest with this config and one layer.
fn manifest(store: &mut Store, media_type: &str, config: &str) -> Descriptor {
    let config = store.put(media_type, config.as_bytes());
    let layer = json!({"digest": Digest::of(b"layer"), "mediaType": LAYER, "size": 5});
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    store.put(OCI_MANIFEST, manifest.to_string().as_bytes())
}

/// What the signature gate says of a manifest that is called this, by rules that take everything unsigned but images.
fn verdict(store: &Store, published: &Descriptor, kind: ItemKind, denied: &str) -> Verdict {
    let policy = format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  signatures:\n    - {{match: \"**\", kinds: [{denied}], deny: true}}\n    - {{match: \"**\", accept: unsigned, reason: data, owner: ciso, until: 2999-01-01}}\n"
    );
    let mut item = support::item(published, vec![]);
    item.kind = kind;
    support::judged(&item, store, &policy, "2026-11-23T00:00:00Z").remove(0)
}

#[test]
fn what_is_called_something_else_does_not_choose_its_rule() {
    let mut store = Store::default();
    let layer = Digest::of(b"layer");
    let image =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}});
    let contents = [
        (ItemKind::Image, manifest(&mut store, OCI_CONFIG, &image.to_string())),
        (ItemKind::Chart, manifest(&mut store, HELM_CONFIG, r#"{"name":"web"}"#)),
        (ItemKind::Artifact, manifest(&mut store, OCI_EMPTY, "{}")),
    ];
    let kinds =
        [(ItemKind::Image, "an image"), (ItemKind::Chart, "a chart"), (ItemKind::Artifact, "an artifact")];
    let a = |wanted: ItemKind| kinds.iter().find(|(kind, _)| *kind == wanted).unwrap().1;
    for (is, published) in &contents {
        let denied = is.to_string();
        for (said, _) in kinds {
            let verdict = verdict(&store, published, said, &denied);
            assert_eq!(verdict.outcome, Outcome::Refused, "{is} called {said}");
            let reason = if said == *is {
                "found an item that the rule denies".to_owned()
            } else {
                format!("found {} that is called {}, wanted it called what it is", a(*is), a(said))
            };
            assert!(
                matches!(verdict.reasons.as_slice(), [found] if found.contains(&reason)),
                "{is} called {said}: {verdict:#?}"
            );
        }
    }
    let [_, _, (_, artifact)] = &contents;
    assert_eq!(verdict(&store, artifact, ItemKind::Artifact, "image").outcome, Outcome::Warned);
}

#[test]
fn what_cannot_be_told_may_be_an_image_and_has_to_be_called_one() {
    let mut store = Store::default();
    let unreadable = manifest(&mut store, OCI_CONFIG, "no JSON");
    for kind in [ItemKind::Chart, ItemKind::Artifact] {
        let verdict = verdict(&store, &unreadable, kind, "image");
        assert_eq!(verdict.outcome, Outcome::Refused, "{kind}");
        let found = verdict.reasons.join("; ");
        assert!(found.contains(&format!("{kind} that may be an image: ")), "{kind}: {found}");
        assert!(found.contains("found a config that cannot be read"), "{kind}: {found}");
    }
    assert_eq!(verdict(&store, &unreadable, ItemKind::Image, "chart").outcome, Outcome::Warned);
}
