//! One rule for all items that are alike, by the pattern that is about them and about no other item.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::signers::{Observed, Signers};

/// A rule to be drafted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    /// The references that it is about.
    #[serde(rename = "match")]
    pub(super) pattern: String,
    /// The items that it was drafted from.
    pub(super) items: Vec<String>,
    /// Who says that they signed them.
    pub(super) signers: Signers,
    /// What could not be read or written into a rule.
    pub(super) problems: Vec<String>,
}

impl Rule {
    /// The items that it was drafted from.
    pub(crate) fn items(&self) -> &[String] {
        &self.items
    }
}

/// Drafts rules in the order of their patterns. Where all items below a path are alike, that path is the pattern:
/// the next item of the same publisher is then covered. No pattern is about an item of another rule.
pub(crate) fn rules(observed: &[Observed]) -> Vec<Rule> {
    let leaves = leaves(observed);
    let leaves: Vec<&Leaf<'_>> = leaves.iter().collect();
    let mut rules = Vec::new();
    split(&leaves, 0, &mut rules);
    rules
}

/// A repository whose items are alike, or one item of a repository where they are not.
struct Leaf<'a> {
    /// The parts of its name, the host first.
    path: Vec<String>,
    items: Vec<&'a Observed>,
}

impl Leaf<'_> {
    fn signers(&self) -> Option<&Signers> {
        self.items.first().map(|item| &item.signers)
    }
}

fn leaves(observed: &[Observed]) -> Vec<Leaf<'_>> {
    let mut repositories: BTreeMap<String, Vec<&Observed>> = BTreeMap::new();
    for item in observed {
        repositories.entry(gates::repository(&item.name)).or_default().push(item);
    }
    let mut leaves = Vec::new();
    for (repository, items) in repositories {
        let signers: BTreeSet<&Signers> = items.iter().map(|item| &item.signers).collect();
        if signers.len() == 1 {
            leaves.push(Leaf { path: path(&repository), items });
        } else {
            leaves.extend(items.into_iter().map(|item| Leaf { path: path(&item.name), items: vec![item] }));
        }
    }
    leaves
}

fn path(name: &str) -> Vec<String> {
    name.split('/').map(str::to_owned).collect()
}

/// `leaves` share their first `depth` parts, at least the host.
fn group(leaves: &[&Leaf<'_>], depth: usize, rules: &mut Vec<Rule>) {
    if let [leaf] = leaves {
        return rules.push(rule(leaf.path.join("/"), leaves));
    }
    let signers: BTreeSet<Option<&Signers>> = leaves.iter().map(|leaf| leaf.signers()).collect();
    let common = common(leaves);
    // A pattern PATH/** is not about PATH itself.
    if signers.len() == 1 && leaves.iter().all(|leaf| leaf.path.len() > common.len()) {
        return rules.push(rule(format!("{}/**", common.join("/")), leaves));
    }
    split(leaves, depth, rules);
}

fn split(leaves: &[&Leaf<'_>], depth: usize, rules: &mut Vec<Rule>) {
    let mut groups: BTreeMap<Option<&String>, Vec<&Leaf<'_>>> = BTreeMap::new();
    for leaf in leaves {
        groups.entry(leaf.path.get(depth)).or_default().push(leaf);
    }
    for (part, leaves) in groups {
        match part {
            Some(_) => group(&leaves, depth + 1, rules),
            None => leaves.iter().for_each(|leaf| rules.push(rule(leaf.path.join("/"), &[leaf]))),
        }
    }
}

/// The parts that all paths begin with.
fn common(leaves: &[&Leaf<'_>]) -> Vec<String> {
    let mut paths = leaves.iter().map(|leaf| leaf.path.as_slice());
    let first = paths.next().unwrap_or_default();
    let length = paths.fold(first.len(), |length, path| {
        first.iter().zip(path).take(length).take_while(|(one, other)| one == other).count()
    });
    first.iter().take(length).cloned().collect()
}

fn rule(pattern: String, leaves: &[&Leaf<'_>]) -> Rule {
    let items = || leaves.iter().flat_map(|leaf| &leaf.items);
    Rule {
        pattern,
        items: items().map(|item| item.name.clone()).collect(),
        signers: leaves.first().and_then(|leaf| leaf.signers()).cloned().unwrap_or_default(),
        problems: items().flat_map(|item| item.problems.iter().cloned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use manifests::policy::Pattern;

    use super::super::signers::Logged;
    use super::*;

    /// `NAME` is not signed, `NAME !` is signed by a key.
    fn observed(names: &[&str]) -> Vec<Observed> {
        let item = |name: &&str| {
            let key = name.ends_with('!').then_some(Logged::No);
            let name = name.trim_end_matches(['!', ' ']).to_owned();
            Observed { name, signers: Signers { key, ..Signers::default() }, problems: vec![] }
        };
        names.iter().map(item).collect()
    }

    #[test]
    fn alike_items_share_a_pattern_and_others_are_not_under_it() {
        for (names, wanted, why) in [
            (vec!["a.io/x:1"], vec!["a.io/x"], "one item: its repository"),
            (vec!["a.io/x:1", "a.io/x:2"], vec!["a.io/x"], "one repository"),
            (vec!["a.io/x:1", "a.io/x:2 !"], vec!["a.io/x:1", "a.io/x:2"], "a repository that is not alike"),
            (vec!["a.io/t/x:1", "a.io/t/y:1"], vec!["a.io/t/**"], "one publisher"),
            (vec!["a.io/t/x:1", "a.io/u/y:1"], vec!["a.io/**"], "one host"),
            (vec!["a.io/x:1", "b.io/x:1"], vec!["a.io/x", "b.io/x"], "two hosts"),
            (
                vec!["a.io/t/x:1 !", "a.io/t/y:1 !", "a.io/u/x:1", "a.io/u/v/y:1"],
                vec!["a.io/t/**", "a.io/u/**"],
                "two publishers",
            ),
            (vec!["a.io/t:1", "a.io/t/x:1"], vec!["a.io/t", "a.io/t/x"], "a repository above another"),
            (
                vec!["a.io/t:1 !", "a.io/t/x:1", "a.io/t/y:1"],
                vec!["a.io/t", "a.io/t/x", "a.io/t/y"],
                "and not alike",
            ),
        ] {
            let observed = observed(&names);
            let rules = rules(&observed);
            let mut patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
            patterns.sort_unstable();
            assert_eq!(patterns, wanted, "{why}");
            for item in &observed {
                let matching: Vec<&Rule> = rules
                    .iter()
                    .filter(|rule| Pattern::try_from(rule.pattern.clone()).unwrap().matches(&item.name))
                    .collect();
                assert!(matching.len() == 1 && matching[0].signers == item.signers, "{why}: {}", item.name);
            }
        }
    }
}
