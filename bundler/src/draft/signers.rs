//! Who says that they signed an item.

use std::collections::BTreeSet;

use gates::signature::{Claim, ClaimedBy, Purpose, candidates, claimed};
use gates::{Content, Subject};
use manifests::inventory::{Inventory, Item};
use manifests::json::shortened;
use serde::Serialize;

/// Where the tag begins in the identity of a workflow that a tag started.
const TAG: &str = "@refs/tags/";

/// What a tag consists of, in regular expressions.
const TAGS: &str = "[0-9A-Za-z._/+-]+";

/// Longest identity or issuer that a rule may name, in bytes: half of what a policy allows, since escaping may double
/// it.
const LONGEST: usize = 1024;

/// An item, and who says that they signed it.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// The item's name.
    pub(super) name: String,
    /// Who.
    pub(super) signers: Signers,
    /// What could not be read or written into a rule.
    pub(super) problems: Vec<String>,
}

/// Who says that they signed: what makes two items alike for a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signers {
    /// The identities of its signatures.
    pub(super) identities: BTreeSet<Identity>,
    /// Whether there are signatures by keys, and whether one of them brings a log entry.
    pub(super) key: Option<Logged>,
    /// The keys of OpenPGP that provenance files of charts name; empty text for one that names none.
    pub(super) openpgp: BTreeSet<String>,
    /// The identities of attestations, where there is no signature, each with the type.
    pub(super) attested: BTreeSet<(String, Identity)>,
}

/// Whether a signature by a key brings a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Logged {
    /// None does.
    No,
    /// At least one does.
    Yes,
}

/// An identity as a policy writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Identity {
    /// Who vouched for it.
    pub(super) issuer: String,
    /// The identity; a regular expression where it ends with a tag.
    pub(super) identity: String,
}

/// What the evidence of every item says about who signed it.
pub(crate) fn observe(inventory: &Inventory, content: &dyn Content) -> Vec<Observed> {
    inventory.items.iter().map(|item| observe_item(item, content)).collect()
}

fn observe_item(item: &Item, content: &dyn Content) -> Observed {
    let mut observed =
        Observed { name: item.name.clone(), signers: Signers::default(), problems: Vec::new() };
    let digest = item.source.digest;
    match candidates(Subject { item, content }, digest) {
        Err(reason) => observed.problems.push(reason.to_string()),
        Ok(found) => {
            for candidate in found {
                match claimed(&candidate, digest) {
                    Ok(claim) => observed.note(claim),
                    Err(reason) => observed.problems.push(format!("{candidate}: {reason}")),
                }
            }
        }
    }
    let Signers { identities, key, openpgp, attested } = &mut observed.signers;
    if !(identities.is_empty() && key.is_none() && openpgp.is_empty()) {
        attested.clear();
    }
    observed
}

impl Observed {
    fn note(&mut self, claim: Claim) {
        let Claim { by, purpose, is_logged } = claim;
        let logged = if is_logged { Logged::Yes } else { Logged::No };
        match (by, purpose) {
            (ClaimedBy::Key, Purpose::Signature) => {
                self.signers.key = self.signers.key.max(Some(logged));
            }
            (ClaimedBy::OpenPgp(key), _) => {
                self.signers.openpgp.insert(key.unwrap_or_default());
            }
            // An attestation by a key is asked for by a key, which nothing here names.
            (ClaimedBy::Key, Purpose::Attestation(_)) => {}
            (ClaimedBy::Identity { identity, issuer }, purpose) => {
                let Some(usable) = Identity::draft(&identity, &issuer) else {
                    let [identity, issuer] = [identity, issuer].map(|text| shortened(&text));
                    let problem = format!(
                        "found the identity {identity:?} of {issuer:?}, which no rule is drafted for"
                    );
                    return self.problems.push(problem);
                };
                match purpose {
                    Purpose::Signature => {
                        self.signers.identities.insert(usable);
                    }
                    Purpose::Attestation(kind) if is_plain(&kind) && kind.contains("://") => {
                        self.signers.attested.insert((kind, usable));
                    }
                    Purpose::Attestation(_) => {}
                }
            }
        }
    }
}

impl Identity {
    /// An identity for a rule. A tag differs from one version to the next, so a rule for any tag of the same
    /// workflow is drafted. Nothing, when it holds what no identity has.
    fn draft(identity: &str, issuer: &str) -> Option<Self> {
        // A text that begins with ^ would be read as an expression.
        if !is_plain(identity) || !is_plain(issuer) || identity.starts_with('^') {
            return None;
        }
        let workflow = identity.split_once(TAG).map(|(workflow, _)| workflow);
        let identity = workflow
            .map_or_else(|| identity.to_owned(), |workflow| format!("^{}{TAG}{TAGS}$", literal(workflow)));
        Some(Self { issuer: issuer.to_owned(), identity })
    }
}

/// Visible ASCII without spaces, as all URLs and nearly all addresses are.
fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A regular expression that is this text and nothing else.
fn literal(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            expression.push('\\');
        }
        expression.push(character);
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://token.actions.githubusercontent.com";

    #[test]
    fn a_workflow_is_the_same_under_every_tag() {
        let workflow = "https://github.com/a/b/.github/workflows/release.yml@refs";
        let drafted = |identity: &str| Identity::draft(identity, ISSUER).map(|it| it.identity);
        let rule = drafted(&format!("{workflow}/tags/v1.2.3")).unwrap();
        assert_eq!(rule, drafted(&format!("{workflow}/tags/app/2+x")).unwrap());
        let rule = manifests::policy::Identity::parse(&rule).unwrap();
        for (identity, wanted, why) in [
            (format!("{workflow}/tags/v2.0.0-rc.1"), true, "another tag"),
            (format!("{workflow}/heads/main"), false, "a branch"),
            (format!("{workflow}/tags/v1 x"), false, "what no tag is"),
            (format!("https://evil.test/?{workflow}/tags/v1"), false, "something before it"),
            (workflow.replace("github.com", "githubXcom") + "/tags/v1", false, "a dot is a dot"),
        ] {
            assert_eq!(rule.matches(&identity), wanted, "{why}: {identity}");
        }
    }

    #[test]
    fn what_ends_with_no_tag_is_kept_as_it_is() {
        for (identity, wanted) in [
            ("cody@soyland.com", Some("cody@soyland.com")),
            (
                "https://github.com/a/b/w.yml@refs/heads/main",
                Some("https://github.com/a/b/w.yml@refs/heads/main"),
            ),
            ("^.*$", None),
            ("", None),
            ("a\nb", None),
            ("a b", None),
            ("\u{202e}moc", None),
        ] {
            assert_eq!(
                Identity::draft(identity, ISSUER).map(|it| it.identity).as_deref(),
                wanted,
                "{identity:?}"
            );
        }
        assert_eq!(Identity::draft("a@b.test", "an 'issuer'\n"), None);
    }
}
