use super::*;
use crate::key::PrivateKey;

struct Cast {
    pems: Vec<String>,
    ids: Vec<Digest>,
}

fn cast(count: usize) -> Cast {
    let keys: Vec<PublicKey> =
        (0..count).map(|_| PrivateKey::generate().unwrap().public().unwrap()).collect();
    Cast {
        pems: keys.iter().map(|key| key.to_pem().unwrap()).collect(),
        ids: keys.iter().map(PublicKey::id).collect(),
    }
}

fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

fn trust(cast: &Cast) -> Trust {
    let [build, officer, second] = [0, 1, 2].map(|at| quoted(&cast.pems[at]));
    Trust::parse(&format!(
        "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 1\n  expires: 2027-11-01\n  roles:\n    preparer: {{threshold: 1, people: [{{name: build-1, keys: [{{pem: {build}, until: 2027-01-01}}], channels: [core]}}]}}\n    security-officer: {{threshold: 2, people: [{{name: officer-1, keys: [{{pem: {officer}}}]}}, {{name: officer-2, keys: [{{pem: {second}}}]}}, {{name: build-1, keys: [{{pem: {build}}}]}}]}}\n"
    ))
    .unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn thresholds_count_people_and_the_preparer_never_approves() {
    let cast = cast(3);
    let trust = trust(&cast);
    let (core, now) = ("core".parse().unwrap(), at("2026-11-23T00:00:00Z"));
    let sign = |key: usize, role: Role| trust.signer(cast.ids[key], role, &core, now).unwrap();
    let (preparer, first) = (sign(0, Role::Preparer), sign(1, Role::SecurityOfficer));
    let (second, own) = (sign(2, Role::SecurityOfficer), sign(0, Role::SecurityOfficer));
    let none = BTreeMap::new();

    assert_eq!(trust.decide(&[preparer.clone(), first.clone(), second.clone()], &none, now), Ok(()));
    let missing = TrustError::Threshold { role: Role::SecurityOfficer, found: 1, wanted: 2 };
    let twice = trust.decide(&[preparer.clone(), first.clone(), first.clone()], &none, now);
    assert_eq!(twice, Err(vec![missing.clone()]), "one person twice is one person");
    let same = TrustError::SamePerson { person: "build-1".parse().unwrap(), role: Role::SecurityOfficer };
    assert_eq!(trust.decide(&[preparer.clone(), first.clone(), own], &none, now), Err(vec![same, missing]));
    let more = BTreeMap::from([(Role::SovereignAdmin, 1)]);
    let unmet = TrustError::Threshold { role: Role::SovereignAdmin, found: 0, wanted: 1 };
    assert_eq!(
        trust.decide(&[preparer, first, second], &more, now),
        Err(vec![unmet]),
        "policy may ask for more"
    );
}

#[test]
fn a_key_signs_in_its_role_for_its_channels_and_until_its_end() {
    let cast = cast(3);
    let trust = trust(&cast);
    let (core, now) = ("core".parse().unwrap(), at("2026-11-23T00:00:00Z"));
    for (key, role, channel, when, why) in [
        (1, Role::Preparer, "core", now, "an officer's key as a preparer"),
        (0, Role::Preparer, "other", now, "another channel"),
        (0, Role::Preparer, "core", at("2027-01-01T00:00:00Z"), "the key has ended"),
    ] {
        assert!(trust.signer(cast.ids[key], role, &channel.parse().unwrap(), when).is_err(), "{why}");
    }
    assert!(trust.signer(Digest::of(b"?"), Role::Preparer, &core, now).is_err(), "an unknown key");
    let signers = [trust.signer(cast.ids[0], Role::Preparer, &core, now).unwrap()];
    let late = trust.decide(&signers, &BTreeMap::new(), at("2027-11-01T00:00:00Z")).unwrap_err();
    assert!(late.contains(&TrustError::Expired(at("2027-11-01T00:00:00Z"))));
}

#[test]
fn a_file_that_would_count_one_key_twice_is_refused() {
    let cast = cast(1);
    let pem = quoted(&cast.pems[0]);
    let file = |threshold: usize, people: &str| {
        format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: 2027-11-01, roles: {{preparer: {{threshold: {threshold}, people: [{people}]}}}}}}"
        )
    };
    let person = |name: &str| format!("{{name: {name}, keys: [{{pem: {pem}}}]}}");
    let both = format!("{}, {}", person("a"), person("b"));
    let twice = format!("{}, {}", person("a"), person("a"));
    assert!(Trust::parse(&file(1, &person("a"))).is_ok());
    for (text, why) in [
        (file(1, &both), "one key with two people"),
        (file(1, &twice), "one name twice"),
        (file(2, &person("a")), "a threshold that nobody can meet"),
        (file(0, &person("a")), "a threshold of nothing"),
        (file(1, &person("a")).replace("preparer", "prepare"), "an unknown role"),
        (file(1, &person("a")).replace("version: 1", "version: 0"), "version 0"),
    ] {
        assert!(Trust::parse(&text).is_err(), "{why}");
    }
}

#[test]
fn a_bare_key_means_one_preparer() {
    let cast = cast(1);
    let trust = Trust::parse(&cast.pems[0]).unwrap();
    let now = at("2026-11-23T00:00:00Z");
    let signer = trust.signer(cast.ids[0], Role::Preparer, &"any".parse().unwrap(), now).unwrap();
    assert_eq!(trust.decide(&[signer], &BTreeMap::new(), now), Ok(()));
}
