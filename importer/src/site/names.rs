//! Who set a name, and whether it may be set again: a published name never moves backwards or across
//! channels.

use std::collections::HashMap;

use manifests::{ChannelName, Digest};

/// A name at a target: a tag of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NameKey {
    /// The target: the path of a folder, or the host of a registry.
    pub(crate) target: String,
    /// The repository at the target.
    pub(crate) repository: String,
    /// The tag.
    pub(crate) tag: String,
}

/// What an archive makes a name point to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameEntry {
    /// The archive's channel.
    pub(crate) channel: ChannelName,
    /// The archive's serial.
    pub(crate) serial: u64,
    /// The archive's identity.
    pub(crate) identity: Digest,
    /// The manifest.
    pub(crate) digest: Digest,
}

/// A name that is about to be set, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameIntent {
    /// Which name.
    pub(crate) key: NameKey,
    /// To what, by which archive.
    pub(crate) entry: NameEntry,
    /// What it pointed to before.
    pub(crate) replaces: Option<Digest>,
}

/// What is to be done with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameDecision {
    /// It is set. What it pointed to before is shown: it may be somebody else's.
    Set {
        /// What it points to now.
        previous: Option<Digest>,
    },
    /// It points there already.
    Unchanged,
    /// A newer archive had set it, so it is left alone.
    LeftNewer,
    /// It may not be set by this archive; the reason says what was found and wanted.
    Refused(String),
}

/// Every name that the ledger knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    set: HashMap<NameKey, NameEntry>,
    /// Names that were about to be set and stand in no receipt yet.
    unfinished: HashMap<NameKey, Unfinished>,
    /// The line behind which the run that writes began: what was set before it was another run's.
    begun: u64,
}

/// A name between its intent and its receipt.
#[derive(Debug, Clone)]
struct Unfinished {
    entry: NameEntry,
    replaced: Option<Digest>,
    /// The last line that says that it was set.
    named: Option<u64>,
}

impl Names {
    /// Who set the name last, or was about to.
    #[must_use]
    pub(crate) fn lookup(&self, key: &NameKey) -> Option<&NameEntry> {
        self.set.get(key)
    }

    /// Whether the lines of a ledger say already that a name was set as `intent` wants it, and that a receipt says so:
    /// to say it again at each load would make a ledger grow by what does not change.
    #[must_use]
    pub(crate) fn has(&self, intent: &NameIntent) -> bool {
        self.set.get(&intent.key) == Some(&intent.entry) && !self.unfinished.contains_key(&intent.key)
    }

    /// What a name pointed to before an earlier run set it to the same as `intent` wants, if that run was cut
    /// before its receipt said so.
    #[must_use]
    pub(crate) fn unfinished(&self, intent: &NameIntent) -> Option<Option<Digest>> {
        let Unfinished { entry, replaced, .. } = self.unfinished.get(&intent.key)?;
        is_same(entry, &intent.entry).then_some(*replaced)
    }

    /// Notes that a name is about to be set.
    pub(crate) fn intended(&mut self, intent: &NameIntent) {
        self.note(intent);
        let (entry, replaced) = (intent.entry.clone(), intent.replaces);
        self.unfinished.insert(intent.key.clone(), Unfinished { entry, replaced, named: None });
    }

    /// Notes in the line with this number that a name was set.
    pub(crate) fn named(&mut self, intent: &NameIntent, line: u64) {
        self.note(intent);
        if let Some(unfinished) = self.unfinished.get_mut(&intent.key) {
            unfinished.named = Some(line);
            // A later archive with the same content found it set by a run that was cut: its receipt tells of that.
            if is_same(&unfinished.entry, &intent.entry) {
                unfinished.entry = intent.entry.clone();
            }
        }
    }

    /// Notes that another run begins behind this line.
    pub(crate) fn begins(&mut self, line: u64) {
        self.begun = line;
    }

    /// Notes that a receipt was issued about an archive: it has every name that its run set, and none that another run set
    /// which was cut, where this one left the names alone or brought a part only.
    pub(crate) fn receipted(&mut self, is_of_it: impl Fn(&NameEntry) -> bool) {
        let begun = self.begun;
        self.unfinished.retain(|_, unfinished| {
            let is_of_run = unfinished.named.is_some_and(|line| line > begun);
            !(is_of_run && is_of_it(&unfinished.entry))
        });
    }

    /// The same of a receipt of which the ledger does not say what it is about, as earlier versions wrote it.
    pub(crate) fn receipted_all(&mut self) {
        self.unfinished.retain(|_, unfinished| unfinished.named.is_none());
    }

    /// Notes who set a name. A name stays with the channel and does not go back to an older serial, whatever
    /// the lines of a ledger say.
    fn note(&mut self, intent: &NameIntent) {
        let entry = self.set.entry(intent.key.clone()).or_insert_with(|| intent.entry.clone());
        if entry.channel == intent.entry.channel && entry.serial <= intent.entry.serial {
            entry.clone_from(&intent.entry);
        }
    }
}

/// Whether two archives of one channel want the same of a name.
fn is_same(one: &NameEntry, other: &NameEntry) -> bool {
    one.channel == other.channel && one.digest == other.digest
}

/// Decides about one name, from what the ledger says about it, what the target has there now, and what the
/// archive wants.
#[must_use]
pub(crate) fn decide_name(
    known: Option<&NameEntry>,
    present: Option<Digest>,
    wanted: &NameEntry,
) -> NameDecision {
    let is_there = present == Some(wanted.digest);
    let Some(known) = known else {
        // Unknown to us, but it may be in use: the plan shows what it replaces.
        return if is_there { NameDecision::Unchanged } else { NameDecision::Set { previous: present } };
    };
    if known.channel != wanted.channel {
        // Two channels may bring the same content under one name; it moves for neither.
        return if is_there && known.digest == wanted.digest {
            NameDecision::Unchanged
        } else {
            NameDecision::Refused(format!(
                "found the name set by the channel {}, wanted {}: a name does not move across channels",
                known.channel, wanted.channel
            ))
        };
    }
    if known.serial > wanted.serial {
        return if is_there && known.digest == wanted.digest {
            NameDecision::Unchanged
        } else {
            NameDecision::LeftNewer
        };
    }
    if known.serial == wanted.serial && known.digest != wanted.digest {
        return NameDecision::Refused(format!(
            "found the name set to {} by the serial {}, wanted {}: one serial has one content",
            known.digest, known.serial, wanted.digest
        ));
    }
    if is_there { NameDecision::Unchanged } else { NameDecision::Set { previous: present } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(channel: &str, serial: u64, content: &str) -> NameEntry {
        NameEntry {
            channel: channel.parse().unwrap(),
            serial,
            identity: Digest::of(format!("{channel} {serial}").as_bytes()),
            digest: Digest::of(content.as_bytes()),
        }
    }

    #[test]
    fn names_never_move_backwards_or_across_channels() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let set = |previous| Some(NameDecision::Set { previous });
        let (unchanged, left) = (Some(NameDecision::Unchanged), Some(NameDecision::LeftNewer));
        let refused = None;
        let known = |channel, serial, content| Some(entry(channel, serial, content));
        for (known, present, wanted, decision, why) in [
            (None, None, entry("core", 2, "new"), set(None), "a name that nobody has"),
            (None, Some(new), entry("core", 2, "new"), unchanged.clone(), "somebody set it to the same"),
            (None, Some(old), entry("core", 2, "new"), set(Some(old)), "unknown: replaced, and shown"),
            (known("core", 1, "old"), Some(old), entry("core", 2, "new"), set(Some(old)), "an update"),
            (known("core", 1, "old"), None, entry("core", 2, "new"), set(None), "deleted at the target"),
            (known("core", 2, "new"), Some(new), entry("core", 2, "new"), unchanged.clone(), "a replay"),
            (known("core", 2, "new"), Some(old), entry("core", 2, "new"), set(Some(old)), "moved by hand"),
            (known("core", 3, "old"), Some(old), entry("core", 2, "new"), left.clone(), "older"),
            (known("core", 3, "old"), Some(new), entry("core", 2, "new"), left.clone(), "set back by hand"),
            (known("core", 3, "old"), None, entry("core", 2, "new"), left, "older, and deleted since"),
            (known("core", 3, "new"), Some(new), entry("core", 2, "new"), unchanged.clone(), "the same"),
            (known("core", 2, "old"), Some(old), entry("core", 2, "new"), refused.clone(), "same serial"),
            (known("edge", 1, "old"), Some(old), entry("core", 2, "new"), refused.clone(), "another channel"),
            (known("edge", 1, "new"), None, entry("core", 2, "new"), refused, "another channel's name"),
            (known("edge", 1, "new"), Some(new), entry("core", 2, "new"), unchanged, "shared by channels"),
        ] {
            match (decide_name(known.as_ref(), present, &wanted), decision) {
                (NameDecision::Refused(_), None) => {}
                (found, wanted) => assert_eq!(Some(found), wanted, "{why}"),
            }
        }
    }

    #[test]
    fn an_older_line_does_not_take_a_name_back() {
        let key = NameKey { target: "mgt".into(), repository: "a/b".into(), tag: "1".into() };
        let mut names = Names::default();
        for (channel, serial, content) in
            [("core", 2, "new"), ("core", 1, "old"), ("edge", 9, "other"), ("core", 2, "new")]
        {
            names.named(
                &NameIntent { key: key.clone(), entry: entry(channel, serial, content), replaces: None },
                7,
            );
            assert_eq!(names.lookup(&key), Some(&entry("core", 2, "new")), "{channel} {serial}");
        }
    }

    #[test]
    fn what_a_cut_run_replaced_is_known_until_a_receipt_has_it() {
        let key = NameKey { target: "mgt".into(), repository: "a/b".into(), tag: "1".into() };
        let old = Some(Digest::of(b"old"));
        let intent = NameIntent { key, entry: entry("core", 2, "new"), replaces: old };
        let mut names = Names::default();
        assert_eq!(names.unfinished(&intent), None);
        names.intended(&intent);
        assert_eq!(names.unfinished(&intent), Some(old));
        let other = NameIntent { entry: entry("core", 3, "newer"), ..intent.clone() };
        assert_eq!(names.unfinished(&other), None, "it was about to be set to something else");
        names.receipted(|_| true);
        assert_eq!(names.unfinished(&intent), Some(old), "it was not set when the receipt was issued");
        names.named(&intent, 3);
        assert_eq!(names.unfinished(&intent), Some(old), "cut before the receipt");
        assert!(!names.has(&intent), "no receipt says so");
        names.receipted(|entry| entry.serial == 3);
        assert_eq!(names.unfinished(&intent), Some(old), "the receipt is of another archive");
        names.begins(4);
        names.receipted(|entry| entry.serial == 2);
        assert_eq!(names.unfinished(&intent), Some(old), "of the same, by a run that set no names");
        let elsewhere = NameIntent { entry: entry("edge", 2, "new"), ..intent.clone() };
        assert_eq!(names.unfinished(&elsewhere), None, "another channel set nothing");
        names.named(&intent, 5);
        names.receipted(|entry| entry.serial == 2);
        assert_eq!(names.unfinished(&intent), None);
        assert!(names.has(&intent));
        assert!(!names.has(&other), "it is set to something else");
    }

    #[test]
    fn what_a_cut_run_set_is_told_once_by_a_later_archive_that_wants_the_same() {
        let key = NameKey { target: "mgt".into(), repository: "a/b".into(), tag: "1".into() };
        let old = Some(Digest::of(b"old"));
        let cut = NameIntent { key: key.clone(), entry: entry("core", 2, "new"), replaces: old };
        let next = NameIntent { key, entry: entry("core", 3, "new"), replaces: old };
        let mut names = Names::default();
        names.intended(&cut);
        names.named(&cut, 3);
        names.begins(4);
        assert_eq!(names.unfinished(&next), Some(old));
        names.named(&next, 5);
        names.receipted(|entry| entry.serial == 3);
        assert_eq!(names.unfinished(&next), None);
        assert!(names.has(&next));
    }

    #[test]
    fn a_receipt_of_an_earlier_version_has_every_name_that_was_set() {
        let key = NameKey { target: "mgt".into(), repository: "a/b".into(), tag: "1".into() };
        let intent = NameIntent { key, entry: entry("core", 2, "new"), replaces: None };
        let mut names = Names::default();
        names.intended(&intent);
        names.receipted_all();
        assert_eq!(names.unfinished(&intent), Some(None), "it was not set yet");
        names.named(&intent, 3);
        names.begins(4);
        names.receipted_all();
        assert_eq!(names.unfinished(&intent), None);
    }

    #[test]
    fn a_name_that_was_there_already_is_said_once() {
        let key = |tag: &str| NameKey { target: "mgt".into(), repository: "a/b".into(), tag: tag.into() };
        let there = |tag, serial| NameIntent {
            key: key(tag),
            entry: entry("core", serial, "content"),
            replaces: Some(Digest::of(b"content")),
        };
        let mut names = Names::default();
        assert!(!names.has(&there("1", 2)));
        names.named(&there("1", 2), 2);
        assert!(names.has(&there("1", 2)));
        assert!(!names.has(&there("1", 3)), "a newer archive has it too: no older one may move it");
        assert!(!names.has(&there("2", 2)), "another tag");
    }
}
