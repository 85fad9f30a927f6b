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
fn a_count_is_of_the_people_who_count() {
    let cast = cast(3);
    let trust = trust(&cast);
    let (core, now) = ("core".parse().unwrap(), at("2026-11-23T00:00:00Z"));
    let sign = |key: usize, role: Role| trust.signer(cast.ids[key], role, &core, now).unwrap();
    let (preparer, officer) = (sign(0, Role::Preparer), sign(1, Role::SecurityOfficer));
    let own = sign(0, Role::SecurityOfficer);
    let (none, policy) =
        (BTreeMap::new(), BTreeMap::from([(Role::SecurityOfficer, 3), (Role::SovereignAdmin, 1)]));
    for (signers, found, why) in [
        (vec![&preparer, &officer, &officer], 1, "one person twice"),
        (vec![&preparer, &officer, &own], 1, "who prepared"),
        (vec![&officer, &own], 2, "who did not prepare"),
    ] {
        let signers: Vec<Signer> = signers.into_iter().cloned().collect();
        let count = |policy| trust.counts(&signers, policy)[&Role::SecurityOfficer];
        assert_eq!(count(&none), Count { found, wanted: 2 }, "{why}");
        assert_eq!(count(&policy), Count { found, wanted: 3 }, "{why}");
        assert_eq!(count(&policy).missing(), 3 - found, "{why}");
        let admins = trust.counts(&signers, &policy)[&Role::SovereignAdmin];
        assert_eq!(admins, Count { found: 0, wanted: 1 }, "{why}");
    }
}

#[test]
fn a_file_says_whose_every_key_is_and_where_nobody_can_stand_in() {
    let cast = cast(4);
    let trust = trust(&cast);
    assert_eq!(trust.version(), 1);
    let (preparer, officer) = (Role::Preparer, Role::SecurityOfficer);
    let wanted = [
        (preparer, "build-1", cast.ids[0]),
        (officer, "officer-1", cast.ids[1]),
        (officer, "officer-2", cast.ids[2]),
        (officer, "build-1", cast.ids[0]),
    ];
    let found: BTreeSet<_> = trust.keys().map(|(role, person, key)| (role, person.as_str(), key)).collect();
    assert_eq!(found, BTreeSet::from(wanted));
    for id in &cast.ids[..3] {
        assert_eq!(trust.key(*id).map(PublicKey::id), Some(*id));
    }
    assert_eq!(trust.key(cast.ids[3]), None, "a key that nobody has");
    let wanted = [(preparer, 1), (officer, 2)].map(|(role, wanted)| (role, Count { found: 0, wanted }));
    assert_eq!(trust.counts(&[], &BTreeMap::new()), BTreeMap::from(wanted));
    // Two of three officers are enough, and one of one preparer.
    let today = at("2026-11-23T00:00:00Z");
    assert_eq!(trust.without_spare(today).collect::<Vec<_>>(), [preparer]);
    // Who is listed and cannot sign any more is no spare.
    for end in [", until: 2026-11-23", ", revoked: 2026-01-01"] {
        let trust = officers(1, 1, &cast, &[("a", 2, ""), ("b", 3, end)]);
        assert!(trust.without_spare(today).any(|role| role == officer), "{end}");
        let before = at("2026-11-22T23:59:59Z");
        assert_eq!(trust.without_spare(before).any(|role| role == officer), end.contains("revoked"), "{end}");
    }

    let next = format!(
        "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 7, expires: 2027-11-01, roles: {{preparer: {{threshold: 1, people: [{{name: a, keys: [{{pem: {}}}]}}]}}}}}}",
        quoted(&cast.pems[0])
    );
    assert_eq!(Trust::parse(&next).unwrap().version(), 7);
    assert_eq!(Trust::parse(&cast.pems[0]).unwrap().version(), 0, "a bare key");
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
    let owned_twice = format!("found the key {} with a and with b", cast.ids[0]);
    for (text, wanted, why) in [
        (file(1, &both), owned_twice.as_str(), "one key with two people"),
        (file(1, &twice), "found one name twice", "one name twice"),
        (file(2, &person("a")), "threshold", "a threshold that nobody can meet"),
        (file(0, &person("a")), "threshold", "a threshold of nothing"),
        (file(1, &person("a")).replace("preparer", "prepare"), "prepare", "an unknown role"),
        (file(1, &person("a")).replace("version: 1", "version: 0"), "found version 0", "version 0"),
    ] {
        let said = Trust::parse(&text).unwrap_err().to_string();
        assert!(said.contains(wanted), "{why}: {said}");
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

/// A trust file of a version, with these officers of whom `threshold` decide, and a recovery of one.
fn officers(version: u64, threshold: usize, cast: &Cast, keys: &[(&str, usize, &str)]) -> Trust {
    let person = |(name, key, more): &(&str, usize, &str)| {
        format!("{{name: {name}, keys: [{{pem: {}{more}}}]}}", quoted(&cast.pems[*key]))
    };
    let people: Vec<String> = keys.iter().map(person).collect();
    let (build, rescue) = (quoted(&cast.pems[0]), quoted(&cast.pems[1]));
    Trust::parse(&format!(
        "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: {version}\n  expires: 2027-11-01\n  roles:\n    preparer: {{threshold: 1, people: [{{name: build-1, keys: [{{pem: {build}}}]}}]}}\n    recovery: {{threshold: 1, people: [{{name: safe, keys: [{{pem: {rescue}}}]}}]}}\n    security-officer: {{threshold: {threshold}, people: [{}]}}\n",
        people.join(", ")
    ))
    .unwrap()
}

#[test]
fn a_trust_file_follows_another_by_the_people_of_both() {
    let cast = cast(6);
    let (since, now) = (at("2026-10-01T00:00:00Z"), at("2026-11-23T00:00:00Z"));
    let one = officers(1, 2, &cast, &[("a", 2, ""), ("b", 3, ""), ("c", 4, ", until: 2026-01-01")]);
    let two = officers(2, 2, &cast, &[("b", 3, ""), ("d", 5, "")]);
    let skipped = officers(3, 2, &cast, &[("b", 3, ""), ("d", 5, "")]);
    let signed_for = |version: u64, keys: &[usize]| -> Vec<SignedChange> {
        keys.iter().map(|key| SignedChange { key: cast.ids[*key], signed_at: now, version }).collect()
    };
    let signed = |keys: &[usize]| signed_for(2, keys);
    for (next, signatures, is_right, why) in [
        (&two, signed(&[2, 3, 5]), true, "two of the old file, two of the new"),
        (&two, signed(&[2, 3]), false, "one of the new file"),
        (&two, signed(&[3, 5]), false, "one of the old file"),
        (&two, signed(&[3, 3, 5]), false, "the same twice"),
        (&two, signed(&[3, 4, 5]), false, "an ended key of the old file"),
        (&two, signed(&[0, 3, 5]), false, "the preparer decides nothing"),
        (&two, signed(&[1, 3, 5]), true, "recovery in place of the old file's people"),
        (&two, signed(&[1, 3]), false, "recovery does not speak for the new file"),
        (&two, signed_for(3, &[2, 3, 5]), false, "signatures about another version"),
        (&skipped, signed_for(3, &[2, 3, 5]), false, "a version skipped"),
        (&one, signed_for(1, &[2, 3]), false, "the same version"),
    ] {
        let followed = one.followed_by(next, &signatures, since, now);
        assert_eq!(followed.is_ok(), is_right, "{why}: {followed:?}");
        // Recovery is named where it decided, and nowhere else.
        let by_recovery = signatures.iter().any(|signed| signed.key == cast.ids[1]);
        for signer in followed.into_iter().flatten() {
            assert_eq!(signer.role == Role::Recovery, by_recovery, "{why}: {signer:?}");
        }
    }
    for (signed_at, why) in
        [("2025-12-01T00:00:00Z", "before it was in force"), ("2027-01-01T00:00:00Z", "later")]
    {
        // The third officer's key had not ended then.
        let signed =
            [2, 3, 4, 5].map(|key| SignedChange { key: cast.ids[key], signed_at: at(signed_at), version: 2 });
        assert!(one.followed_by(&two, &signed, since, now).is_err(), "{why}");
    }
    let late = one.followed_by(&two, &signed(&[2, 3, 5]), since, at("2028-01-01T00:00:00Z"));
    assert!(matches!(late.unwrap_err()[..], [ChangeError::Next(TrustError::Expired(_))]));
}

#[test]
fn a_bare_key_is_followed_by_its_owner_s_word() {
    let cast = cast(3);
    let now = at("2026-11-23T00:00:00Z");
    let (bare, next) = (Trust::parse(&cast.pems[0]).unwrap(), officers(1, 1, &cast, &[("a", 2, "")]));
    let signed = |key: usize| SignedChange { key: cast.ids[key], signed_at: now, version: 1 };
    assert!(bare.followed_by(&next, &[signed(0), signed(2)], now, now).is_ok());
    assert!(bare.followed_by(&next, &[signed(2)], now, now).is_err(), "a stranger's file");
}

#[test]
fn nothing_counts_that_a_revoked_key_signed_whenever_it_says() {
    let cast = cast(4);
    let (core, before) = ("core".parse().unwrap(), at("2020-01-01T00:00:00Z"));
    let trust = officers(1, 1, &cast, &[("a", 2, ", revoked: 2026-11-01"), ("b", 3, "")]);
    let signer = |key: usize| trust.signer(cast.ids[key], Role::SecurityOfficer, &core, before);
    assert!(matches!(signer(2), Err(TrustError::KeyRevoked { .. })));
    assert!(signer(3).is_ok());
    assert!(trust.key(cast.ids[2]).is_some(), "what it signed can still be opened and named");
}

#[test]
fn a_key_that_is_revoked_in_one_place_only_or_listed_twice_is_refused() {
    let cast = cast(2);
    let [one, other] = [0, 1].map(|at| quoted(&cast.pems[at]));
    let file = |officer: &str, recovery: &str| {
        Trust::parse(&format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 1\n  expires: 2027-11-01\n  roles:\n    preparer: {{threshold: 1, people: [{{name: b, keys: [{{pem: {other}}}]}}]}}\n    security-officer: {{threshold: 1, people: [{{name: a, keys: [{officer}]}}]}}\n    recovery: {{threshold: 1, people: [{{name: a, keys: [{recovery}]}}]}}\n"
        ))
    };
    let (plain, revoked) = (format!("{{pem: {one}}}"), format!("{{pem: {one}, revoked: 2026-11-01}}"));
    for (officer, recovery, is_right, why) in [
        (plain.clone(), plain.clone(), true, "one key in two roles"),
        (revoked.clone(), revoked.clone(), true, "revoked in both"),
        (revoked.clone(), plain.clone(), false, "revoked in one"),
        (format!("{plain}, {plain}"), plain.clone(), false, "twice"),
        (format!("{revoked}, {plain}"), revoked, false, "twice, once revoked"),
    ] {
        assert_eq!(file(&officer, &recovery).is_ok(), is_right, "{why}");
    }
}

#[test]
fn a_policy_follows_another_by_who_approves_and_never_goes_back() {
    let cast = cast(4);
    let (since, now) = (at("2026-10-01T00:00:00Z"), at("2026-11-23T00:00:00Z"));
    let trust = officers(1, 2, &cast, &[("a", 2, ""), ("b", 3, "")]);
    let signed = |version: u64, keys: &[usize]| -> Vec<SignedChange> {
        keys.iter().map(|key| SignedChange { key: cast.ids[*key], signed_at: now, version }).collect()
    };
    for (version, signatures, is_right, why) in [
        (5, signed(5, &[2, 3]), true, "newer, by two"),
        (5, signed(5, &[0, 1, 2, 3]), true, "newer, by everybody"),
        (5, signed(5, &[2]), false, "by one"),
        (5, signed(5, &[2, 2]), false, "by one, twice"),
        (5, signed(5, &[0, 1, 2]), false, "preparer and recovery decide about no policy"),
        (5, signed(6, &[2, 3]), false, "signatures about another version"),
        (3, signed(3, &[2, 3]), false, "the same version"),
        (2, signed(2, &[2, 3]), false, "an older one"),
    ] {
        let allowed = trust.allows_policy(3, version, &signatures, (since, now));
        assert_eq!(allowed.is_ok(), is_right, "{why}: {allowed:?}");
        // Only who decides is said to have decided.
        assert!(allowed.into_iter().flatten().all(|signer| signer.role == Role::SecurityOfficer), "{why}");
    }
}
