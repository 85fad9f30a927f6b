//! Whether what a rule asks for is there: one signature of each signer, each by somebody else.

use manifests::Digest;
use manifests::policy::Signer;

use super::candidate::Candidate;
use super::roots::Roots;
use super::signer::{Signed, SignedBy, verify};
use super::statement::Purpose;

/// The good signatures that one wanted signer has, each with where it is.
struct Good {
    signed: Signed,
    candidate: String,
}

/// What was established, or every reason why it is not enough. One good signature is enough for a signer, and
/// one signer stands for one of the wanted only.
pub(super) fn met(
    purpose: &Purpose,
    digest: Digest,
    signers: &[Signer],
    candidates: &[Candidate],
    roots: &Roots,
) -> Result<Vec<String>, Vec<String>> {
    let what = match purpose {
        Purpose::Signature => "signature".to_owned(),
        Purpose::Attestation(kind) => format!("attestation of type {kind}"),
    };
    if candidates.is_empty() {
        return Err(vec![format!("found no {what}, wanted one by {}", names(signers))]);
    }
    let (mut good, mut reasons) = (Vec::new(), Vec::new());
    for signer in signers {
        let (found, failures) = find(purpose, digest, signer, candidates, roots, signers.len() == 1);
        if found.is_empty() {
            let failures = failures.into_iter();
            reasons.extend(failures.map(|failure| format!("found no {what} by {signer}: {failure}")));
        }
        good.push(found);
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let by: Vec<Vec<&SignedBy>> =
        good.iter().map(|found| found.iter().map(|good| &good.signed.by).collect()).collect();
    let Some(chosen) = distinct(&by) else {
        return Err(vec![format!(
            "found fewer different signers than the {} that are wanted: {}",
            signers.len(),
            names(signers)
        )]);
    };
    let chosen = good.iter().zip(chosen).filter_map(|(found, at)| found.get(at));
    Ok(chosen.map(|good| format!("{what} by {} ({})", good.signed, good.candidate)).collect())
}

fn names(signers: &[Signer]) -> String {
    signers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn find(
    purpose: &Purpose,
    digest: Digest,
    signer: &Signer,
    candidates: &[Candidate],
    roots: &Roots,
    one_is_enough: bool,
) -> (Vec<Good>, Vec<String>) {
    let (mut good, mut failures) = (Vec::<Good>::new(), Vec::new());
    for candidate in candidates {
        match verify(candidate, purpose, digest, signer, roots) {
            Ok(signed) if good.iter().all(|known| known.signed.by != signed.by) => {
                good.push(Good { signed, candidate: candidate.to_string() });
            }
            Ok(_) => {}
            Err(reason) => failures.push(format!("{candidate}: {reason}")),
        }
        if one_is_enough && !good.is_empty() {
            break;
        }
    }
    (good, failures)
}

/// One of each list, so that no two are alike, by their places; nothing when there is no such choice. Each list
/// takes what it wants, and whoever had it moves to another of its own where it can (augmenting paths).
fn distinct<T: PartialEq>(lists: &[Vec<T>]) -> Option<Vec<usize>> {
    let mut chosen: Vec<Option<usize>> = vec![None; lists.len()];
    for list in 0..lists.len() {
        if !place(lists, list, &mut chosen, &mut Vec::new()) {
            return None;
        }
    }
    chosen.into_iter().collect()
}

/// `tried` holds what was asked for on the way here: each has one holder, who is asked once, so the depth is at
/// most the number of lists.
fn place<'a, T: PartialEq>(
    lists: &'a [Vec<T>],
    list: usize,
    chosen: &mut [Option<usize>],
    tried: &mut Vec<&'a T>,
) -> bool {
    for (at, wanted) in lists.get(list).into_iter().flatten().enumerate() {
        if tried.contains(&wanted) {
            continue;
        }
        tried.push(wanted);
        let holder = chosen.iter().zip(lists).position(|(held, list)| {
            let held = held.and_then(|held| list.get(held));
            held == Some(wanted)
        });
        if holder.is_none_or(|holder| place(lists, holder, chosen, tried)) {
            if let Some(slot) = chosen.get_mut(list) {
                *slot = Some(at);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signer_stands_for_one_of_the_wanted() {
        for (lists, is_met, why) in [
            (vec![vec!["a"]], true, "one for one"),
            (vec![vec!["a"], vec!["a"]], false, "the same signer twice"),
            (vec![vec!["a", "b"], vec!["a"]], true, "the first moves to its other"),
            (vec![vec!["a", "b"], vec!["a", "b"], vec!["a", "b"]], false, "two for three"),
            (vec![vec!["a", "b"], vec!["b", "c"], vec!["a"]], true, "two move"),
            (vec![vec!["a"], vec![]], false, "nobody for the second"),
        ] {
            let chosen = distinct(&lists);
            assert_eq!(chosen.is_some(), is_met, "{why}");
            let mut names: Vec<_> = chosen.iter().flatten().zip(&lists).map(|(at, list)| list[*at]).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), if is_met { lists.len() } else { 0 }, "{why}");
        }
    }
}
