//! What verify, approve, plan and load do alike: whom and what to hold an archive to, opening it, accepting it.

use std::fs::File;
use std::path::Path;

use console::archive_report::ArchiveReport;
use console::input::{PolicyFile, TrustFile};
use console::judging::{self, Knowledge};
use console::{Class, Failure, Failures, clock, input};
use gates::Judgement;
use manifests::malware_report::MalwareReport;
use manifests::receipt::{ArchiveRecord, Receipt};
use manifests::trust::{Signer, Trust};
use manifests::{Digest, Timestamp};
use transfer::archive::stream::Keep;
use transfer::archive::{Signed, Verified};

use super::open_site;
use crate::accept::{self, Accepted, Assessment, Purpose, Rules};
use crate::annex::{self, Annexes};
use crate::cli::{Global, JudgeArguments};
use crate::exclusion::{self, Excluded};
use crate::rescan::Rescanned;
use crate::site::evidence::Given;
use crate::site::{Access, Site};
use crate::{open, rejudgement, report};

/// Everything that an archive is held to.
pub(crate) struct Judge {
    /// The site, where there is one.
    pub(crate) site: Option<Site>,
    trust: Option<TrustFile>,
    policy: Option<PolicyFile>,
    knowledge: Knowledge,
    /// The reports of `verify --rescan`.
    pub(crate) rescanned: Vec<Rescanned>,
    /// The searches for malware of `verify --rescan`.
    pub(crate) searched: Vec<MalwareReport>,
    at: Option<Timestamp>,
}

/// What is to be said now of an archive that was accepted and held.
pub(crate) struct Reassessed {
    /// Who signed it and its annexes.
    pub(crate) signers: Vec<Signer>,
    /// The annexes that were counted.
    pub(crate) annexes: Vec<Digest>,
    /// The trust files that the signers stand in.
    pub(crate) trusts: Vec<Digest>,
    /// What the gates said, by each policy that it was let in by.
    pub(crate) judgements: Vec<Judgement>,
    /// What a person should know.
    pub(crate) notices: Vec<String>,
    /// Everything against it.
    pub(crate) against: Vec<Failure>,
}

impl Judge {
    /// Reads trust, policy and site. `at` is a moment to judge by in place of now.
    ///
    /// # Errors
    /// When there is neither a site nor a trust file, one cannot be used, or the clock was turned back.
    pub(crate) fn read(
        arguments: &JudgeArguments,
        state: Option<&Path>,
        access: Access,
        at: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let judge = Self {
            trust: arguments.trust.as_deref().map(input::trust_file).transpose()?,
            policy: arguments.policy.as_deref().map(input::policy).transpose()?,
            knowledge: Knowledge::read(arguments.kev.as_deref(), &arguments.vex)?,
            rescanned: Vec::new(),
            searched: Vec::new(),
            site: open_site(state, access)?,
            at,
        };
        if judge.site.is_none() && judge.trust.is_none() {
            return Err(no_trust());
        }
        if let Some(site) = judge.site.as_ref().filter(|_| at.is_none()) {
            site.check_clock(judge.now())?;
        }
        Ok(judge)
    }

    /// The site of a command that cannot do without.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn reader(&self) -> Result<&Site, Failure> {
        self.site.as_ref().ok_or_else(no_site)
    }

    /// The same, to write to.
    ///
    /// # Errors
    /// As [`Judge::reader`].
    pub(crate) fn writer(&mut self) -> Result<&mut Site, Failure> {
        self.site.as_mut().ok_or_else(no_site)
    }

    /// Whether there is a policy to judge by.
    pub(crate) const fn has_policy(&self) -> bool {
        self.site.is_some() || self.policy.is_some()
    }

    /// The moment that is judged by. The clock is read anew: hours lie between opening an archive and judging it.
    pub(crate) fn now(&self) -> Timestamp {
        self.at.unwrap_or_else(clock::now)
    }

    /// Everything, as the stages take it.
    ///
    /// # Errors
    /// When there is no trust.
    pub(crate) fn rules(&self) -> Result<Rules<'_>, Failure> {
        let site = self.site.as_ref();
        let mut trusts = self.trusts();
        Ok(Rules {
            trust: trusts.next().ok_or_else(no_trust)?,
            stricter: trusts.next(),
            policies: site.map(Site::policy).into_iter().chain(&self.policy).collect(),
            site,
            knowledge: &self.knowledge,
            rescanned: &self.rescanned,
            searched: &self.searched,
            now: self.now(),
        })
    }

    /// The trust files that an archive is held to, the site's first.
    fn trusts(&self) -> impl Iterator<Item = &Trust> {
        self.site.iter().map(Site::trust).chain(self.trust.as_ref().map(|file| &file.trust))
    }

    /// The digests of the trust files and of the policies that an archive is held to, the site's first.
    pub(crate) fn held_to(&self) -> (Vec<Digest>, Vec<Digest>) {
        let site = self.site.as_ref();
        let policies = site.map(Site::policy).into_iter().chain(&self.policy);
        (self.trusts().map(Trust::digest).collect(), policies.map(|file| file.policy.digest()).collect())
    }

    /// Everything that flags added to what the site judges by, for keeping: without it a verdict could not be found
    /// again.
    pub(crate) fn given(&self) -> Vec<Given> {
        let given = |kind, ending, bytes: &[u8]| Given { kind, ending, bytes: bytes.to_vec() };
        let trust = self.trust.iter().map(|file| given("trust", "yaml", file.text.as_bytes()));
        let policy = self.policy.iter().map(|file| given("policy", "yaml", file.text.as_bytes()));
        let roots = self.policy.iter().flat_map(|file| &file.roots);
        let roots = roots.map(|(_, bytes)| given("root", "json", bytes));
        let known = self.knowledge.files.iter().map(|(kind, bytes)| given(kind, "json", bytes));
        trust.chain(policy).chain(roots).chain(known).collect()
    }

    /// Opens the archive: its signature, then every byte.
    ///
    /// # Errors
    /// When it is not an archive that somebody signed who is trusted.
    pub(crate) fn open(
        &self,
        path: &Path,
        keep: Keep,
        spool: Option<&Path>,
        quiet: bool,
    ) -> Result<Verified<File>, Failure> {
        open::verified(path, &self.rules()?.trusts(), keep, spool, quiet)
    }

    /// Holds an archive that was opened to whom its signature must be of, and to nothing else.
    ///
    /// # Errors
    /// Every reason against it.
    pub(crate) fn prepared(&self, path: &Path, archive: &Verified<File>) -> Result<(), Failures> {
        let reasons =
            accept::prepared(archive, &self.rules()?.trusts(), self.now()).err().unwrap_or_default();
        let refused = |reason| Failure::new(Class::Refused, path.display(), reason);
        Failures::unless_empty(reasons.into_iter().map(refused).collect(), ())
    }

    /// What the annexes that are there by now leave out of an archive.
    ///
    /// # Errors
    /// When an annex that was given would not be counted.
    pub(crate) fn excluded(
        &self,
        path: &Path,
        arguments: &JudgeArguments,
        archive: &Verified<File>,
    ) -> Result<Excluded, Failures> {
        let annexes = self.annexes(path, arguments, archive, &self.rules()?)?;
        Ok(exclusion::counted(&archive.inventory().items, &annexes.counted))
    }

    /// Judges an archive that was opened, with the annexes beside it and those that were given.
    ///
    /// # Errors
    /// Every reason against it.
    pub(crate) fn accept(
        &self,
        path: &Path,
        arguments: &JudgeArguments,
        archive: Verified<File>,
    ) -> Result<Accepted, Failures> {
        let rules = self.rules()?;
        let annexes = self.annexes(path, arguments, &archive, &rules)?;
        let assessment = accept::assess(archive, annexes, &rules, Purpose::Load);
        let writer = self.site.as_ref().filter(|site| site.is_writer() && !assessment.reasons().is_empty());
        if let Some(site) = writer {
            site.keep_annexes(assessment.archive().identity(), assessment.annexes())?;
        }
        accept::accept(assessment)
    }

    /// Those beside the archive, those that were given, and those that the site has seen.
    fn annexes(
        &self,
        path: &Path,
        arguments: &JudgeArguments,
        archive: &Signed<File>,
        rules: &Rules<'_>,
    ) -> Result<Annexes, Failures> {
        let kept = match &self.site {
            Some(site) => {
                site.check_annexes_of(&ArchiveRecord::new(archive.identity(), archive.inventory()))?;
                site.kept_annexes(archive.identity())?
            }
            None => vec![],
        };
        annex::find(path, archive, (&arguments.annexes, &kept), &rules.trusts(), rules.now)
    }

    /// Everything that is to be said now of an archive that was accepted and held. What approvers said since is kept.
    ///
    /// # Errors
    /// When an annex that was given would not be counted, or the disk fails.
    pub(crate) fn reassess(
        &self,
        arguments: &JudgeArguments,
        archive: &Signed<File>,
        held: &Receipt,
        global: &Global,
    ) -> Result<Reassessed, Failures> {
        let rules = self.rules()?;
        let site = self.reader()?;
        // The archive itself is not at hand any more, so nothing lies beside it.
        let Annexes { counted, notices } = self.annexes(Path::new("-"), arguments, archive, &rules)?;
        super::notice(global, &notices);
        site.keep_annexes(archive.identity(), &counted)?;
        let label = format!("{}-{}", archive.inventory().name, archive.inventory().serial);
        let refused = |reason| Failure::new(Class::Refused, &label, reason);
        let mut reasons = Vec::new();
        let signers = accept::reassess(archive, &counted, held, &rules, &mut reasons);
        let judgements = rejudgement::as_of_now(site, archive, &counted, held, &rules)?;
        let mut against: Vec<Failure> = reasons.into_iter().map(refused).collect();
        against.extend(judging::refusals(&judgements));
        let annexes = counted.iter().map(|annex| annex.identity).collect();
        let trusts = rules.trusts().into_iter().map(Trust::digest).collect();
        Ok(Reassessed { signers, annexes, trusts, judgements, notices, against })
    }

    /// As [`Judge::accept`], for a report: what is against the archive is part of what comes out.
    ///
    /// # Errors
    /// When an annex that was given would not be counted; what cannot be read.
    pub(crate) fn report(
        &self,
        path: &Path,
        arguments: &JudgeArguments,
        archive: Verified<File>,
    ) -> Result<ArchiveReport, Failures> {
        let rules = self.rules()?;
        let annexes = self.annexes(path, arguments, &archive, &rules)?;
        // It says what a load would say now, so that a missing approval is against the archive too.
        let assessment = accept::assess(archive, annexes, &rules, Purpose::Load);
        Ok(report::of(&assessment, &rules, self.at.is_some())?)
    }

    /// As [`Judge::accept`], for somebody who is about to say something of it. `own` is the annex that they would
    /// write: it is read and counted as `load` will.
    ///
    /// # Errors
    /// When an annex that was given, or `own`, would not be counted.
    pub(crate) fn assess(
        &self,
        path: &Path,
        arguments: &JudgeArguments,
        archive: Verified<File>,
        own: Option<File>,
    ) -> Result<Assessment, Failures> {
        let rules = self.rules()?;
        let trusts = rules.trusts();
        let mut annexes = self.annexes(path, arguments, &archive, &rules)?;
        if let Some(own) = own {
            let own = annex::examine(own, Path::new("this approval"), &archive, &trusts, rules.now)?;
            annexes.counted.push(own);
            // A load counts what each said last.
            annexes.counted = annex::last_words(annexes.counted);
        }
        Ok(accept::assess(archive, annexes, &rules, Purpose::Approval))
    }
}

fn no_site() -> Failure {
    Failure::new(Class::Usage, "", "found no site, wanted --state DIR")
}

fn no_trust() -> Failure {
    Failure::new(Class::Usage, "", "found no trust, wanted --trust TRUST or a site (--state, AIRGAP_STATE)")
        .advise("`inspect` shows an archive without")
}

/// The site of a command that cannot do without.
pub(crate) fn needs_policy(judge: &Judge) -> Result<(), Failure> {
    if judge.has_policy() {
        return Ok(());
    }
    Err(Failure::new(
        Class::Usage,
        "",
        "found no policy, wanted --policy POLICY or a site (--state, AIRGAP_STATE)",
    ))
}
