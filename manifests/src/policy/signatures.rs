//! The section `signatures:` of a policy: who must have signed which items.
//!
//! Rules stand in an order, and the first that is about an item decides. An item that no rule is about is
//! refused: what nobody thought of does not enter.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::pattern::Pattern;
use super::signer::{KeySpec, KeylessSpec, OpenPgpSpec, Signer};
use crate::digest::Digest;
use crate::inventory::ItemKind;
use crate::timestamp::Timestamp;
use crate::trust::date;
use crate::yaml::YamlError;

/// Most signatures that one rule may ask for. More than some people never sign one image.
const SIGNERS: usize = 16;

/// Predicate types by the short names that cosign has for them.
const PREDICATES: [(&str, &str); 5] = [
    ("spdx", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// Who must have signed what.
#[derive(Debug, Clone)]
pub struct Signatures {
    rules: Vec<SignatureRule>,
    roots: Vec<TrustedRootName>,
}

/// What one rule asks of the items that it is about.
#[derive(Debug, Clone)]
pub struct SignatureRule {
    /// The references that it is about.
    pub pattern: Pattern,
    /// The kinds of items that it is about; none means all.
    pub kinds: Option<Vec<ItemKind>>,
    /// What is asked.
    pub requirement: Requirement,
    /// Which digests are asked about.
    pub platforms: PlatformRule,
    /// Attestations that must be there as well.
    pub attestations: Vec<Attestation>,
}

/// What a rule asks.
#[derive(Debug, Clone)]
pub enum Requirement {
    /// A signature of each of these, by as many different signers.
    Signed(Vec<Signer>),
    /// No signature of the item itself: the attestations that the rule asks for stand for it.
    Attested,
    /// None, for a while, by somebody's decision.
    Unsigned(Waiver),
    /// Nothing would do.
    Denied,
}

/// A decision to accept what is not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Why.
    pub reason: String,
    /// Who decided.
    pub owner: String,
    /// The moment from which on it does not hold.
    pub until: Timestamp,
}

/// Which digests of an item must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformRule {
    /// What the name pointed to upstream: an index stands for all that it lists.
    #[default]
    Source,
    /// That, and each platform's manifest for itself.
    Each,
}

/// An attestation that must be there.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// The type of its predicate, in full.
    pub predicate_type: String,
    /// Who must have signed it.
    pub signer: Signer,
}

/// A trusted root of Sigstore, named by the digest of its file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRootName {
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the file (`trusted_root.json`).
    pub digest: Digest,
    /// Where the file is, for whoever reads files.
    pub file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSpec {
    #[serde(rename = "match")]
    pattern: Pattern,
    #[serde(default)]
    kinds: Option<Vec<ItemKind>>,
    #[serde(default)]
    keyless: Option<KeylessSpec>,
    #[serde(default)]
    key: Option<KeySpec>,
    #[serde(default)]
    openpgp: Option<OpenPgpSpec>,
    #[serde(default)]
    all: Option<Vec<SignerSpec>>,
    #[serde(default)]
    accept: Option<Accept>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    deny: Option<bool>,
    #[serde(default)]
    platforms: Option<PlatformRule>,
    #[serde(default)]
    attestations: Vec<AttestationSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Accept {
    Attested,
    Unsigned,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerSpec {
    #[serde(default)]
    keyless: Option<KeylessSpec>,
    #[serde(default)]
    key: Option<KeySpec>,
    #[serde(default)]
    openpgp: Option<OpenPgpSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AttestationSpec {
    predicate_type: String,
    #[serde(default)]
    keyless: Option<KeylessSpec>,
    #[serde(default)]
    key: Option<KeySpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustedRootSpec {
    name: String,
    sha256: String,
    #[serde(default)]
    file: Option<String>,
}

impl Signatures {
    pub(super) fn read(rules: Vec<RuleSpec>, roots: Vec<TrustedRootSpec>) -> Result<Self, YamlError> {
        let roots = roots.into_iter().map(read_root).collect::<Result<Vec<_>, _>>()?;
        let distinct: BTreeSet<Digest> = roots.iter().map(|root| root.digest).collect();
        if distinct.len() != roots.len() {
            return Err(YamlError::Rule("trustedRoots: found one digest twice".to_owned()));
        }
        let mut read = Vec::new();
        for (at, spec) in rules.into_iter().enumerate() {
            let place = format!("signatures[{at}] ({})", spec.pattern);
            let named = |error| YamlError::Rule(format!("{place}: {error}"));
            let rule = read_rule(spec).map_err(named)?;
            rule.signers().try_for_each(|signer| check_root(signer, &distinct)).map_err(named)?;
            read.push(rule);
        }
        Ok(Self { rules: read, roots })
    }

    /// The first rule that is about an item, and its number from 0.
    #[must_use]
    pub fn rule_for(&self, name: &str, kind: ItemKind) -> Option<(usize, &SignatureRule)> {
        self.rules.iter().enumerate().find(|(_, rule)| {
            let is_kind = rule.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
            is_kind && rule.pattern.matches(name)
        })
    }

    /// Every rule, in the order in which they are asked.
    #[must_use]
    pub fn rules(&self) -> &[SignatureRule] {
        &self.rules
    }

    /// The trusted roots that the policy names.
    #[must_use]
    pub fn roots(&self) -> &[TrustedRootName] {
        &self.roots
    }
}

impl SignatureRule {
    /// Everybody whom it asks for.
    fn signers(&self) -> impl Iterator<Item = &Signer> {
        let signed = match &self.requirement {
            Requirement::Signed(signers) => signers.as_slice(),
            Requirement::Attested | Requirement::Unsigned(_) | Requirement::Denied => &[],
        };
        signed.iter().chain(self.attestations.iter().map(|attestation| &attestation.signer))
    }
}

fn read_rule(mut spec: RuleSpec) -> Result<SignatureRule, YamlError> {
    if spec.kinds.as_ref().is_some_and(Vec::is_empty) {
        return Err(YamlError::Rule("found no kind, wanted some of image, chart, artifact".to_owned()));
    }
    let attestations = std::mem::take(&mut spec.attestations);
    let attestations = attestations.into_iter().map(read_attestation).collect::<Result<Vec<_>, _>>()?;
    let (pattern, kinds, platforms) = (spec.pattern.clone(), spec.kinds.take(), spec.platforms);
    let requirement = read_requirement(spec)?;
    if matches!(requirement, Requirement::Denied) && !(attestations.is_empty() && platforms.is_none()) {
        return Err(YamlError::Rule("found more beside deny, which nothing could change".to_owned()));
    }
    if matches!(requirement, Requirement::Attested) && attestations.is_empty() {
        let message = "found accept: attested without attestations, wanted those that stand for a signature";
        return Err(YamlError::Rule(message.to_owned()));
    }
    check_openpgp(&requirement, kinds.as_deref())?;
    Ok(SignatureRule { pattern, kinds, requirement, platforms: platforms.unwrap_or_default(), attestations })
}

fn read_requirement(spec: RuleSpec) -> Result<Requirement, YamlError> {
    let waiver = [&spec.reason, &spec.owner, &spec.until];
    let is_waiver = matches!(spec.accept, Some(Accept::Unsigned));
    if !is_waiver && waiver.iter().any(|field| field.is_some()) {
        return Err(YamlError::Rule(
            "found reason, owner or until without accept: unsigned, which they belong to".to_owned(),
        ));
    }
    let is_signer = spec.keyless.is_some() || spec.key.is_some() || spec.openpgp.is_some();
    match (is_signer, spec.all, spec.accept, spec.deny) {
        (true, None, None, None) => {
            Signer::read(spec.keyless, spec.key, spec.openpgp).map(|signer| Requirement::Signed(vec![signer]))
        }
        (false, Some(all), None, None) => read_all(all).map(Requirement::Signed),
        (false, None, Some(Accept::Attested), None) => Ok(Requirement::Attested),
        (false, None, Some(Accept::Unsigned), None) => {
            read_waiver(spec.reason, spec.owner, spec.until.as_deref()).map(Requirement::Unsigned)
        }
        (false, None, None, Some(true)) => Ok(Requirement::Denied),
        (false, None, None, Some(false)) => {
            Err(YamlError::Rule("found deny: false, wanted deny: true or what is asked instead".to_owned()))
        }
        _ => Err(YamlError::Rule(
            "found none or several, wanted exactly one of keyless, key, openpgp, all, accept: attested, accept: unsigned, deny: true"
                .to_owned(),
        )),
    }
}

/// Only charts have a provenance file; a rule that asks others for it would be met by nothing.
fn check_openpgp(requirement: &Requirement, kinds: Option<&[ItemKind]>) -> Result<(), YamlError> {
    let Requirement::Signed(signers) = requirement else { return Ok(()) };
    let asks = signers.iter().any(|signer| matches!(signer, Signer::OpenPgp(_)));
    if !asks || kinds == Some(&[ItemKind::Chart]) {
        return Ok(());
    }
    Err(YamlError::Rule("found openpgp in a rule about other kinds, wanted kinds: [chart]".to_owned()))
}

fn read_all(specs: Vec<SignerSpec>) -> Result<Vec<Signer>, YamlError> {
    if !(2..=SIGNERS).contains(&specs.len()) {
        let found = specs.len();
        return Err(YamlError::Rule(format!("all: found {found} signers, wanted 2 to {SIGNERS}")));
    }
    let signers = specs.into_iter().map(|spec| Signer::read(spec.keyless, spec.key, spec.openpgp));
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    let keys = signers.iter().filter(|signer| !matches!(signer, Signer::Keyless(_)));
    let mut seen = BTreeSet::new();
    match keys.map(ToString::to_string).find(|key| !seen.insert(key.clone())) {
        Some(key) => Err(YamlError::Rule(format!("all: found {key} twice, wanted different signers"))),
        None => Ok(signers),
    }
}

fn read_waiver(
    reason: Option<String>,
    owner: Option<String>,
    until: Option<&str>,
) -> Result<Waiver, YamlError> {
    let is_said = |text: &String| !text.trim().is_empty() && !text.chars().any(char::is_control);
    match (reason.filter(is_said), owner.filter(is_said), until) {
        (Some(reason), Some(owner), Some(until)) => Ok(Waiver { reason, owner, until: date(until)? }),
        _ => Err(YamlError::Rule(
            "accept: unsigned: found no reason, owner or until, wanted all three on one line each".to_owned(),
        )),
    }
}

fn read_attestation(spec: AttestationSpec) -> Result<Attestation, YamlError> {
    let named = PREDICATES.iter().find(|(name, _)| *name == spec.predicate_type);
    let predicate_type = named.map_or(spec.predicate_type, |(_, full)| (*full).to_owned());
    let is_type =
        predicate_type.contains("://") && predicate_type.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_type {
        let names: Vec<&str> = PREDICATES.iter().map(|(name, _)| *name).collect();
        return Err(YamlError::Rule(format!(
            "found the predicateType {:?}, wanted a URI or one of {}",
            crate::json::shortened(&predicate_type),
            names.join(", ")
        )));
    }
    Ok(Attestation { predicate_type, signer: Signer::read(spec.keyless, spec.key, None)? })
}

fn read_root(spec: TrustedRootSpec) -> Result<TrustedRootName, YamlError> {
    let rule = |message: String| YamlError::Rule(format!("trustedRoots: {message}"));
    if spec.name.trim().is_empty() || spec.name.chars().any(char::is_control) {
        return Err(rule("found no name".to_owned()));
    }
    let digest =
        Digest::from_hex(&spec.sha256).map_err(|error| rule(format!("{}: sha256: {error}", spec.name)))?;
    Ok(TrustedRootName { name: spec.name, digest, file: spec.file })
}

/// A rule that no signature could meet is a mistake, and is said before anything is judged by it.
fn check_root(signer: &Signer, roots: &BTreeSet<Digest>) -> Result<(), YamlError> {
    let named = match signer {
        Signer::Keyless(keyless) => keyless.trusted_root,
        Signer::Key(_) | Signer::OpenPgp(_) => None,
    };
    match named {
        Some(digest) if !roots.contains(&digest) => Err(YamlError::Rule(format!(
            "found the trusted root {digest}, wanted one that trustedRoots names: add it there"
        ))),
        None if signer.needs_root() && roots.is_empty() => Err(YamlError::Rule(format!(
            "found no trusted root, by which alone {signer} can be judged: name one in trustedRoots"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
