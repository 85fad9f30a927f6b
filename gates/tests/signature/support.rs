//! Content in memory, items with evidence, and policies of one rule.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use gates::malware::Searches;
use gates::signature::{Roots, judge};
use gates::{Before, Clock, Content, Grounds, Subject, Unreadable, Verdict};
use manifests::inventory::{Evidence, Item, ItemKind};
use manifests::media_type::{OCI_EMPTY, OCI_MANIFEST, SIGSTORE_BUNDLE};
use manifests::policy::{Policy, Signatures};
use manifests::{Descriptor, Digest};
use serde_json::{Value, json};

pub(crate) const NAME: &str = "registry.example.test/team/app:1.0.0";

pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data").join(path)
}

/// Content in memory, by the digest that it goes under, which need not be its own.
#[derive(Default)]
pub(crate) struct Store(HashMap<Digest, Vec<u8>>);

impl Content for Store {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        let bytes = self.0.get(&wanted.digest).ok_or_else(|| Unreadable("found nothing".into()))?;
        let found = Digest::of(bytes);
        if found != wanted.digest || bytes.len() as u64 != wanted.size {
            return Err(Unreadable(format!("found bytes of {found}, wanted {}", wanted.digest)));
        }
        Ok(bytes.clone())
    }
}

impl Store {
    /// The blobs of an OCI layout.
    pub(crate) fn of_layout(folder: &Path) -> Self {
        let blobs = fs::read_dir(folder.join("blobs/sha256")).unwrap().map(Result::unwrap);
        let blob = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (Digest::from_hex(&name).unwrap(), fs::read(entry.path()).unwrap())
        };
        Self(blobs.map(blob).collect())
    }

    pub(crate) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let digest = Digest::of(bytes);
        self.0.insert(digest, bytes.to_vec());
        Descriptor { digest, media_type: media_type.to_owned(), size: bytes.len() as u64 }
    }

    pub(crate) fn take(&mut self, digest: Digest) {
        self.0.remove(&digest);
    }

    /// A manifest with these layers, each with its annotations; about `subject` where there is one.
    pub(crate) fn manifest(
        &mut self,
        layers: &[(&Descriptor, Value)],
        subject: Option<&Descriptor>,
    ) -> Descriptor {
        let config = self.put(OCI_EMPTY, b"{}");
        let layer = |(layer, annotations): &(&Descriptor, Value)| {
            let mut layer = serde_json::to_value(layer).unwrap();
            layer["annotations"] = annotations.clone();
            layer
        };
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config,
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        });
        if let Some(subject) = subject {
            manifest["subject"] = serde_json::to_value(subject).unwrap();
        }
        self.put(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// A referrer that holds a bundle.
    pub(crate) fn bundle(&mut self, bundle: &[u8], subject: Digest) -> Evidence {
        let layer = self.put(SIGSTORE_BUNDLE, bundle);
        let manifest = self.manifest(&[(&layer, json!({}))], Some(&source(subject)));
        evidence(&manifest, subject, None)
    }
}

pub(crate) fn evidence(manifest: &Descriptor, subject: Digest, ending: Option<&str>) -> Evidence {
    Evidence {
        digest: manifest.digest,
        media_type: manifest.media_type.clone(),
        size: manifest.size,
        subject,
        tag: ending.map(|ending| format!("sha256-{}.{ending}", subject.hex())),
    }
}

/// A descriptor of a manifest that nobody reads.
pub(crate) fn source(digest: Digest) -> Descriptor {
    Descriptor { digest, media_type: OCI_MANIFEST.to_owned(), size: 247 }
}

pub(crate) fn item(source: &Descriptor, evidence: Vec<Evidence>) -> Item {
    Item {
        annotations: BTreeMap::new(),
        evidence,
        group: None,
        kind: ItemKind::Image,
        name: NAME.to_owned(),
        platforms: vec![],
        published: source.clone(),
        requires: vec![],
        source: source.clone(),
        to: None,
    }
}

/// The bytes of the public-good trusted root.
pub(crate) fn public_good() -> Vec<u8> {
    fs::read(data("sigstore/trusted-root/public-good.json")).unwrap()
}

/// The text of a policy with these rules, one a line, that names these trusted roots.
pub(crate) fn policy_by(roots: &[Digest], rules: &str) -> String {
    let name = |(at, root): (usize, &Digest)| format!("{{name: root-{at}, sha256: \"{}\"}}", root.hex());
    let roots = roots.iter().enumerate().map(name).collect::<Vec<_>>().join(", ");
    let rules: String = rules.lines().map(|rule| format!("    - {}\n", rule.trim())).collect();
    format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  trustedRoots: [{roots}]\n  \
         signatures:\n{rules}"
    )
}

/// A policy with these rules, one a line, that names the public-good root.
pub(crate) fn policy(rules: &str) -> Signatures {
    let text = policy_by(&[Digest::of(&public_good())], rules);
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}")).signatures.unwrap()
}

pub(crate) fn roots(rules: &Signatures) -> Roots {
    let bytes = public_good();
    Roots::new(rules.roots(), [(Digest::of(&bytes), bytes.as_slice())]).unwrap()
}

/// The verdict on an item, in November 2026 and without a past.
pub(crate) fn verdict(item: &Item, content: &Store, rules: &Signatures) -> Verdict {
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    judge(Subject { item, content }, rules, &roots(rules), now, false)
}

/// A key of a policy, in one line.
pub(crate) fn key(pem: &str, log: &str) -> String {
    format!("key: {{pem: {}, log: {log}}}", Value::from(pem))
}

/// What every gate of a policy says of an item at this moment, by what the item's evidence has alone.
pub(crate) fn judged(item: &Item, content: &Store, policy: &str, now: &str) -> Vec<Verdict> {
    let policy = Policy::parse(policy).unwrap_or_else(|error| panic!("{error}: {policy}"));
    let (roots, before, submitted) = (Roots::default(), Before::default(), HashMap::new());
    let searches = Searches::of(Digest::of(b"an archive"));
    let grounds = Grounds {
        content,
        roots: &roots,
        clock: Clock::at(now.parse().unwrap()),
        kev: None,
        vex: &[],
        before: &before,
        submitted: &submitted,
        searches: &searches,
    };
    gates::judge([item], &policy, &grounds).items.remove(0).verdicts
}
