//! Which of several trusted roots a signature is judged by.

use gates::signature::{Candidate, Purpose, Roots, verify};
use manifests::Digest;
use manifests::inventory::ItemKind;
use manifests::policy::Policy;
use serde_json::{Value, json};

use crate::support::{self, data};
use crate::vectors::vector;

#[test]
fn a_rule_that_names_its_root_is_met_by_no_other() {
    let vector = vector("bundle-attestation");
    let candidate =
        Candidate::from_bundle(&std::fs::read(data("sigstore/bundle-attestation/bundle.json")).unwrap());
    let good = support::public_good();
    let mut without_log: Value = serde_json::from_slice(&good).unwrap();
    without_log["tlogs"] = json!([]);
    let other = without_log.to_string().into_bytes();
    let [public, private] = [&good, &other].map(|bytes| Digest::of(bytes));
    for (root, is_good, why) in [
        (format!(", trustedRoot: \"{public}\""), true, "the root that it was logged by"),
        (format!(", trustedRoot: \"{private}\""), false, "another root, which the rule names"),
        (String::new(), true, "any root of the policy"),
    ] {
        let text = format!(
            "apiVersion: airgap/v1\nkind: Policy\nspec:\n  trustedRoots: [{{name: a, sha256: \"{}\"}}, {{name: b, sha256: \"{}\"}}]\n  \
             signatures:\n    - {{match: \"**\", keyless: {{issuer: \"https://github.com/login/oauth\", \
             identity: cody@soyland.com{root}}}}}\n",
            public.hex(),
            private.hex(),
        );
        let rules = Policy::parse(&text).unwrap().signatures.unwrap();
        let roots = Roots::new(rules.roots(), [(public, good.as_slice()), (private, &other)]).unwrap();
        let (_, rule) = rules.rule_for(support::NAME, ItemKind::Image).unwrap();
        let manifests::policy::Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
        let purpose = Purpose::Attestation("https://cosign.sigstore.dev/attestation/v1".into());
        let found = verify(&candidate, &purpose, vector.image, &signers[0], &roots);
        assert_eq!(found.is_ok(), is_good, "{why}: {found:?}");
    }
}
