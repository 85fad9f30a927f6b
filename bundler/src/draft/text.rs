//! A drafted policy as its file.
//!
//! Text of the evidence stands in quotes that it cannot end, or escaped in a comment that it cannot end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use console::escape::escape;
use console::progress::count;
use manifests::Digest;
use manifests::json::shortened;

use super::patterns::Rule;
use super::signers::{Identity, Logged};

/// What marks a line that a person must decide about.
pub(crate) const DECIDE: &str = "DECIDE";

/// Digits of a key id of OpenPGP.
const KEY_ID: usize = 16;

/// How many problems of a rule are shown, and how many items.
const SHOWN: usize = 3;

/// A trusted root to name in the policy.
pub(crate) struct Root {
    /// The digest of the file.
    pub(crate) digest: Digest,
    /// The file, relative to the policy's folder where it is below that.
    pub(crate) file: String,
}

/// The text of a policy with these rules. Without a trusted root, it names one that nothing is, so that rules on
/// identities refuse until a person puts one in.
pub(crate) fn write(channel: &str, rules: &[Rule], root: Option<&Root>) -> String {
    let mut text = format!(
        "# Drafted from the signers that were observed in the lock of {channel}. They were read and not verified: anybody\n\
         # can write a name into a certificate of their own. Every line that you have to decide about is marked {DECIDE}.\n\
         apiVersion: airgap/v1\nkind: Policy\nspec:\n"
    );
    write_root(&mut text, rules, root);
    text.push_str("\n  # The first rule whose pattern is about an item decides.\n  signatures:\n");
    rules.iter().for_each(|rule| write_rule(&mut text, rule));
    text.push_str("\n    # What no rule is about does not enter.\n    - {match: \"**\", deny: true}\n");
    text.push_str(REST);
    text
}

const REST: &str = "
  # DECIDE: these are the defaults. Without a report on each image, every image is refused.
  vulnerabilities:
    reportMaxAge: 72h
    databaseMaxAge: 24h
    critical: {fixed: deny, unfixed: deny}
    high: warn
    unknown: warn
    endOfSupport: warn
    unchanged: warn                  # what the version that is inside has too is no reason to refuse its update
    # DECIDE: with this line, a list of known exploited vulnerabilities must be given (--kev).
    # kev: deny

  order: {olderSerial: deny}

  # DECIDE: who must approve, beyond what the trust file asks for.
  # approvals: {security-officer: 1}
";

fn write_root(text: &mut String, rules: &[Rule], root: Option<&Root>) {
    let needs = |rule: &Rule| !(rule.signers.identities.is_empty() && rule.signers.attested.is_empty());
    let line = match root {
        Some(Root { digest, file }) => {
            text.push_str("  # DECIDE: identities are judged by this root. Compare its digest with one that you trust.\n");
            format!("{{name: sigstore, sha256: \"{}\", file: {}}}", digest.hex(), quoted(file))
        }
        None if rules.iter().any(needs) => {
            let _ = write!(
                text,
                "  # {DECIDE}: identities are judged by a trusted root of Sigstore (trusted_root.json), and none was given:\n  \
                 # until its digest and its file stand here, what identities signed is refused. `policy init --trusted-root FILE`\n  \
                 # fills them in.\n"
            );
            format!(
                "{{name: sigstore, sha256: \"{}\"}}  # {DECIDE}: and file: trusted_root.json",
                "0".repeat(64)
            )
        }
        None => return,
    };
    let _ = writeln!(text, "  trustedRoots:\n    - {line}");
}

fn write_rule(text: &mut String, rule: &Rule) {
    let Rule { pattern, items, signers, problems } = rule;
    let mut names: Vec<&str> = items.iter().take(SHOWN).map(String::as_str).collect();
    let more = items.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("{more} more"));
    names.extend(more.as_deref());
    let of = format!("{} ({})", count(items.len() as u64, "item"), escape(&names.join(", ")));
    let pattern = quoted(pattern);
    text.push('\n');
    let mut identities = signers.identities.iter();
    match (identities.next(), signers.key) {
        (Some(first), key) => {
            let _ = writeln!(
                text,
                "    # {DECIDE}: signed, unverified, by the identity below: {of}. Is this who publishes it?\n    \
                 - match: {pattern}\n      keyless:\n        issuer: {}\n        identity: {}",
                quoted(&first.issuer),
                quoted(&first.identity)
            );
            for other in identities {
                let other = keyless(other);
                let _ = writeln!(
                    text,
                    "      # {DECIDE}: observed as well; take it in place of the one above, or ask for both by all:\n      # {other}"
                );
            }
            if key.is_some() {
                let _ = writeln!(
                    text,
                    "      # {DECIDE}: observed as well: a signature by a key, which it does not name"
                );
            }
        }
        (None, Some(logged)) => write_key(text, &of, &pattern, logged),
        (None, None) if !signers.openpgp.is_empty() => write_openpgp(text, &of, &pattern, &signers.openpgp),
        (None, None) if !signers.attested.is_empty() => {
            write_attested(text, &of, &pattern, &signers.attested);
        }
        (None, None) => write_unsigned(text, &of, &pattern),
    }
    for problem in problems.iter().take(SHOWN) {
        let _ = writeln!(text, "    # {DECIDE}: does not count: {}", escape(&shortened(problem)));
    }
    if problems.len() > SHOWN {
        let _ = writeln!(text, "    # {DECIDE}: and {} more that do not count", problems.len() - SHOWN);
    }
}

/// Evidence does not name a key, so the rule is a hint.
fn write_key(text: &mut String, of: &str, pattern: &str, logged: Logged) {
    let log = match logged {
        Logged::Yes => "required             # and name the trusted root of its log in trustedRoots",
        Logged::No => "notRequired",
    };
    let _ = writeln!(
        text,
        "    # {DECIDE}: signed by a key: {of}. A signature does not name its key: get it from the publisher, put it in and\n    \
         # uncomment the rule. Until then it is refused.\n    \
         # - match: {pattern}\n    \
         #   key:\n    \
         #     log: {log}\n    \
         #     pem: |                          # {DECIDE}: the public key\n    \
         #       -----BEGIN PUBLIC KEY-----\n    \
         #       -----END PUBLIC KEY-----"
    );
}

/// A provenance file names a key, and does not bring it.
fn write_openpgp(text: &mut String, of: &str, pattern: &str, keys: &BTreeSet<String>) {
    let named = escape(&keys.iter().map(|key| named_key(key)).collect::<Vec<_>>().join(", "));
    let _ = writeln!(
        text,
        "    # {DECIDE}: with a provenance file, unverified, by OpenPGP: {of}: {named}. Get the key from the publisher, compare its\n    \
         # fingerprint, put it in and uncomment the rule. Until then it is refused.\n    \
         # - match: {pattern}\n    \
         #   kinds: [chart]\n    \
         #   openpgp:\n    \
         #     certificate: |                  # {DECIDE}: the public key, by gpg --armor --export\n    \
         #       -----BEGIN PGP PUBLIC KEY BLOCK-----\n    \
         #       -----END PGP PUBLIC KEY BLOCK-----"
    );
}

/// A key of OpenPGP by what a signature gives of it. A key id is a part of the fingerprint, and others can make a key that
/// has it too.
fn named_key(key: &str) -> String {
    match key.len() {
        0 => "a key that it does not name".to_owned(),
        KEY_ID => format!("key id {key}"),
        _ => format!("fingerprint {key}"),
    }
}

fn write_unsigned(text: &mut String, of: &str, pattern: &str) {
    let _ = writeln!(
        text,
        "    # {DECIDE}: not signed: {of}. It is refused, unless somebody answers for it until a day: fill in and uncomment.\n    \
         # - match: {pattern}\n    \
         #   accept: unsigned\n    \
         #   reason:                         # {DECIDE}: why it is acceptable\n    \
         #   owner:                          # {DECIDE}: who answers for it\n    \
         #   until:                          # {DECIDE}: the day on which it ends, such as 2027-03-01"
    );
}

/// What nobody signed but somebody attested: the attestations stand for a signature.
fn write_attested(text: &mut String, of: &str, pattern: &str, attested: &BTreeSet<(String, Identity)>) {
    let _ = writeln!(
        text,
        "    # {DECIDE}: not signed, and attested, unverified, by the identities below: {of}. Are these who publish it, and is that\n    \
         # enough?\n    \
         - match: {pattern}\n      accept: attested\n      attestations:"
    );
    for (kind, identity) in attested {
        let (kind, identity) = (quoted(kind), keyless(identity));
        let _ = writeln!(text, "        - {{predicateType: {kind}, {identity}}}");
    }
}

fn keyless(identity: &Identity) -> String {
    let Identity { issuer, identity } = identity;
    format!("keyless: {{issuer: {}, identity: {}}}", quoted(issuer), quoted(identity))
}

/// A scalar of YAML in single quotes, in which nothing but the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", escape(text).replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_called_no_fingerprint() {
        for (key, wanted) in [
            ("843BBF981FC18762", "key id 843BBF981FC18762"),
            (
                "5E615389B53CA37F0EE60BD3843BBF981FC18762",
                "fingerprint 5E615389B53CA37F0EE60BD3843BBF981FC18762",
            ),
            ("", "a key that it does not name"),
        ] {
            assert_eq!(named_key(key), wanted);
        }
    }
}
