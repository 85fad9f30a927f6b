//! How an archive stands, as verify, approve, plan, load and publish print it.

use std::fmt::Write as _;
use std::fs::File;

use console::escape::escape;
use console::inspect::NotCarried;
use gates::{Judgement, NOTHING};
use manifests::receipt::{ExclusionRecord, Receipt, SignerRecord};
use manifests::trust::Signer;
use manifests::{ChannelName, Digest};
use serde::Serialize;
use transfer::archive::Signed;

use super::judge::Reassessed;
use crate::accept::Assessment;

/// How many warnings are listed where nobody is about to stand on them: an archive has thousands of items.
const WARNINGS: usize = 10;

/// What was accepted, and by what.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    identity: Digest,
    name: ChannelName,
    serial: u64,
    items: usize,
    /// How many of its bytes were read; nothing, where what was kept of it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// What has to be at a target already.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_carried: Option<NotCarried>,
    audience: Vec<ChannelName>,
    signers: Vec<SignerRecord>,
    annexes: Vec<Digest>,
    /// What the approvers left out.
    excluded: Vec<ExclusionRecord>,
    trust_digests: Vec<Digest>,
    policy_digests: Vec<Digest>,
    /// What the gates said, by each policy.
    judgements: Vec<Judgement>,
    /// What a person should know.
    notices: Vec<String>,
}

impl Standing {
    pub(crate) fn of(accepted: &Assessment) -> Self {
        let inventory = accepted.archive().inventory();
        Self {
            identity: accepted.archive().identity(),
            name: inventory.name.clone(),
            serial: inventory.serial,
            items: inventory.items.len(),
            bytes: Some(accepted.archive().layout().size()),
            not_carried: NotCarried::of(inventory),
            audience: inventory.audience.clone(),
            signers: each_once(accepted.signers()),
            annexes: accepted.annexes().iter().map(|annex| annex.identity).collect(),
            excluded: accepted.excluded().records().to_vec(),
            trust_digests: accepted.trusts().to_vec(),
            policy_digests: accepted.policies().to_vec(),
            judgements: accepted.judgements().to_vec(),
            notices: accepted.notices().to_vec(),
        }
    }

    /// How an archive stands that was held and is judged again, by what was kept of it.
    pub(crate) fn of_held(pack: &Signed<File>, held: &Receipt, now: Reassessed) -> Self {
        let inventory = pack.inventory();
        let Reassessed { signers, annexes, trusts, judgements, notices, against: _ } = now;
        Self {
            identity: pack.identity(),
            name: inventory.name.clone(),
            serial: inventory.serial,
            items: inventory.items.len(),
            bytes: None,
            not_carried: None,
            audience: inventory.audience.clone(),
            signers: each_once(&signers),
            annexes,
            excluded: held.excluded.clone(),
            trust_digests: trusts,
            policy_digests: held.policy_digests.clone(),
            judgements,
            notices,
        }
    }

    /// For people, with the first of the warnings.
    pub(crate) fn render(&self) -> String {
        self.render_part() + &self.render_warnings(WARNINGS)
    }

    /// The same with every warning, for whoever is to stand on it.
    pub(crate) fn render_whole(&self) -> String {
        self.render_part() + &self.render_warnings(usize::MAX)
    }

    /// What somebody should look at, item by item.
    fn render_warnings(&self, most: usize) -> String {
        let mut text = String::new();
        let mut line = |value: &str| {
            let _ = writeln!(text, "{:<14} {}", "warning", escape(value));
        };
        let warnings = || self.judgements.iter().flat_map(Judgement::warnings);
        warnings().take(most).for_each(|(item, warning)| line(&format!("{item}: {warning}")));
        let more = warnings().count().saturating_sub(most);
        if more > 0 {
            line(&format!("and {more} more: see `airgap-import report`"));
        }
        text
    }

    fn render_part(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{label:<14} {value}");
        };
        line("archive", &format!("{}, serial {}, {} items", self.name, self.serial, self.items));
        line("identity", &self.identity.to_string());
        if let Some(bytes) = self.bytes {
            line("verified", &format!("every one of {bytes} bytes is what was signed"));
        }
        if let Some(not_carried) = &self.not_carried {
            line("not carried", &not_carried.to_string());
        }
        let audience: Vec<&str> = self.audience.iter().map(ChannelName::as_str).collect();
        line("audience", &if audience.is_empty() { "any site".to_owned() } else { audience.join(", ") });
        for SignerRecord { key, person, role } in &self.signers {
            line("signed by", &format!("{person} as {role}, key {key}"));
        }
        for ExclusionRecord { by, name, .. } in &self.excluded {
            line("left out", &format!("{} by {by}", escape(name)));
        }
        self.trust_digests.iter().for_each(|digest| line("trust", &digest.to_string()));
        self.policy_digests.iter().for_each(|digest| line("policy", &digest.to_string()));
        if self.policy_digests.is_empty() {
            line("policy", "none given");
        }
        for judgement in &self.judgements {
            line("gates", &judgement.summary());
        }
        if self.judgements.is_empty() {
            line("gates", NOTHING);
        }
        text
    }
}

/// Each person once in a role: who says the same twice in a second, or with two keys, counts once.
fn each_once(signers: &[Signer]) -> Vec<SignerRecord> {
    let mut each: Vec<SignerRecord> = Vec::new();
    for signer in signers {
        if !each.iter().any(|known| known.person == signer.person && known.role == signer.role) {
            each.push(signer.into());
        }
    }
    each
}
