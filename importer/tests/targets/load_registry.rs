//! Into a registry.

use axum::http::{Method, StatusCode};
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Format, Layer, Signer};
use fixtures::log::LoggedRequest;
use fixtures::registry::{Auth, Credentials, Options, Registry};

use crate::support::{Brought, Site, small_image, text, writes};

fn registry(referrers: bool) -> Registry {
    Registry::start(Options { referrers, ..Options::default() }).unwrap()
}

#[test]
fn content_goes_first_names_last_and_a_second_load_sends_nothing() {
    let (site, registry) = (Site::new(), registry(true));
    let (web, app) = (small_image("base", "web"), small_image("base", "app"));
    let archive = site.archive(
        3,
        vec![Brought::new("ghcr.io/demo/web:1", &web), Brought::new("docker.io/demo/app:2", &app)],
    );
    let to = site.registry(&registry.url(), "type: oci");
    let loaded = site.load(&archive, &to);
    let shared = web.blobs()[1].digest();
    assert_eq!(web.blobs()[1].digest(), app.blobs()[1].digest());

    let requests = registry.requests();
    let sent = |digest: manifests::Digest| {
        requests
            .iter()
            .filter(|request| request.method == "PUT" && request.query.contains(&digest.hex()))
            .count()
    };
    assert_eq!(sent(shared), 1, "a layer of two repositories is sent once");
    for (repository, tag, image) in [("ghcr.io/demo/web", "1", &web), ("docker.io/demo/app", "2", &app)] {
        assert_eq!(registry.store().manifest(repository, tag).unwrap().bytes, image.bytes());
        assert!(image.blobs().iter().all(|blob| registry.store().has_blob(repository, blob.digest())));
    }
    let puts: Vec<&str> = requests
        .iter()
        .filter(|request| request.method == "PUT")
        .map(|request| request.path.as_str())
        .collect();
    let tags: Vec<bool> = puts.iter().map(|path| path.ends_with("/1") || path.ends_with("/2")).collect();
    assert!(tags.is_sorted() && tags.iter().filter(|is_tag| **is_tag).count() == 2, "{puts:?}");
    let mounted = &loaded["load"]["targets"][0]["mounted"]["count"];
    assert_eq!(*mounted, 2, "the layer, and the empty config of the site's signatures");

    let asked_by_digest =
        |request: &&LoggedRequest| request.method == "HEAD" && request.path.contains("/manifests/sha256:");
    let asked = requests.iter().filter(asked_by_digest).count();
    assert_eq!(asked, 0, "what was never begun lies nowhere without a name");

    registry.forget_requests();
    let lines = || std::fs::read_to_string(site.path("state/ledger.jsonl")).unwrap().lines().count();
    let before = lines();
    let again = site.succeed(&["load", &text(&archive), "--to", &text(&to)]);
    assert!(again.contains("nothing was sent"), "{again}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
    assert_eq!(lines(), before + 2, "that it was accepted, and its receipt; no name again");
}

#[test]
fn a_layer_of_ten_repositories_is_sent_once_and_mounted_into_the_nine_others() {
    let (site, registry) = (Site::new(), registry(true));
    let images: Vec<_> = (0..10)
        .map(|at| (format!("ghcr.io/demo/app-{at}"), small_image("base", &format!("app {at}"))))
        .collect();
    let brought = images.iter().map(|(name, image)| Brought::new(&format!("{name}:1"), image)).collect();
    let to = site.registry(&registry.url(), "type: oci, sign: false");
    let loaded = site.load(&site.archive(3, brought), &to);

    let shared = images[0].1.blobs()[1].digest();
    let requests = registry.requests();
    let about_it = |method: &str, status: u16| {
        let is_one = |request: &&LoggedRequest| {
            request.method == method && request.status == status && request.query.contains(&shared.hex())
        };
        requests.iter().filter(is_one).count()
    };
    assert_eq!(about_it("PUT", 201), 1, "sent once");
    assert_eq!(about_it("POST", 201), 9, "and mounted where it was not sent to");
    for (repository, _) in &images {
        assert!(registry.store().has_blob(repository, shared), "{repository}");
    }
    let done = &loaded["load"]["targets"][0];
    assert_eq!((&done["mounted"]["count"], &done["sent"]["count"]), (&9.into(), &21.into()), "{done}");
    let size = images[0].1.blobs()[1].size();
    assert_eq!(done["mounted"]["bytes"], 9 * size, "{done}");
}

#[test]
fn what_an_answer_does_not_name_is_looked_for_before_a_receipt_says_it() {
    let web = small_image("base", "web");
    let bill = image::bundle_referrer(&web.descriptor(), &Signer::named("a"));
    for (path, said) in [
        (format!("/manifests/{}", bill.digest()), bill.digest().to_string()),
        ("/manifests/1".to_owned(), "under the tag 1 once it was set".to_owned()),
    ] {
        let (site, registry) = (Site::new(), registry(true));
        let brought = Brought::new("ghcr.io/demo/web:1", &web).with_referrer(&bill, web.digest());
        let archive = text(&site.archive(3, vec![brought]));
        let to = text(&site.registry(&registry.url(), "type: oci"));
        // It says "created", stores nothing, and names no digest.
        registry.fault(Rule::new(&path, Fault::Status(StatusCode::CREATED)).on(Method::PUT));
        let errors = site.fail(1, &["load", &archive, "--to", &to]);
        assert!(errors.contains(&said), "{path}: {errors}");
    }
}

#[test]
fn what_a_held_load_left_without_a_name_is_found_and_not_sent_again() {
    let (site, registry) = (Site::new(), registry(true));
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]);
    let to = site.registry(&registry.url(), "type: oci");
    site.succeed(&["load", &text(&archive), "--to", &text(&to), "--hold"]);
    registry.forget_requests();
    let again = site.succeed(&["load", &text(&archive), "--to", &text(&to), "--hold"]);
    assert!(again.contains("nothing was sent"), "{again}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn what_is_held_bears_the_site_s_signature_only_when_it_is_published() {
    let (site, registry) = (Site::new(), registry(true));
    let web = small_image("base", "web");
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &web)]);
    let to = site.registry(&registry.url(), "type: oci");
    site.succeed(&["load", &text(&archive), "--to", &text(&to), "--hold"]);
    let there = || registry.store().manifests("ghcr.io/demo/web").len();
    assert_eq!(there(), 1, "the image alone");
    site.succeed(&["publish", "1", "--to", &text(&to)]);
    assert_eq!(there(), 3, "its signature and its summary beside it");
    let receipt = site.succeed(&["receipt", "show", "2", "--json"]);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["items"][0]["places"][0]["evidence"].as_array().unwrap().len(), 2);

    // Content without a name may have been collected as garbage: then no name moves.
    let next = site.archive(4, vec![Brought::new("ghcr.io/demo/web:2", &small_image("base", "next"))]);
    site.succeed(&["load", &text(&next), "--to", &text(&to), "--hold"]);
    let gone = small_image("base", "next");
    assert!(registry.store().remove_manifest("ghcr.io/demo/web", gone.digest()));
    assert!(registry.store().remove_blob("ghcr.io/demo/web", gone.blobs()[2].digest()));
    let said = site.fail(1, &["publish", "3", "--to", &text(&to)]);
    assert!(said.contains("ghcr.io/demo/web:2"), "{said}");
    assert!(registry.store().manifest("ghcr.io/demo/web", "2").is_none());
}

#[test]
fn what_no_gate_judged_bears_no_signature_of_the_site() {
    let site = Site::new();
    let registry = registry(true);
    let to = site.registry(&registry.url(), "type: oci");
    let image = image::image("linux/amd64", &[Layer::raw(1, 100)], Format::Oci);
    let index = image::index_with_attestations(&[("linux/amd64", image)]);
    let [platform, attestation] = index.children() else { panic!("found other children") };
    site.load(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &index)]), &to);
    let stored = registry.store().manifests("ghcr.io/demo/web");
    for (manifest, wanted) in [(&index, 2), (platform, 2), (attestation, 0)] {
        let subject = format!("\"subject\":{{\"digest\":\"{}\"", manifest.digest());
        let about = stored.iter().filter(|stored| String::from_utf8_lossy(&stored.bytes).contains(&subject));
        assert_eq!(about.count(), wanted, "{}", manifest.digest());
    }
}

#[test]
fn nothing_is_written_for_an_archive_that_is_not_what_was_signed() {
    let (site, registry) = (Site::new(), registry(true));
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]);
    let mut bytes = std::fs::read(&archive).unwrap();
    let last = bytes.len() - 1500;
    bytes[last] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let to = site.registry(&registry.url(), "type: oci");
    site.fail(4, &["load", &text(&archive), "--to", &text(&to)]);
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn evidence_is_found_with_and_without_the_referrers_api_and_merged_with_what_is_there() {
    let image = small_image("base", "web");
    let (ours, theirs) = (Signer::named("ours"), Signer::named("theirs"));
    let bundle = image::bundle_referrer(&image.descriptor(), &ours);
    let signature = image::legacy_signature(image.digest(), "ghcr.io/demo/web", std::slice::from_ref(&ours));
    let other_bundle = image::bundle_referrer(&image.descriptor(), &theirs);
    let other = image::legacy_signature(image.digest(), "ghcr.io/demo/web", &[theirs]);
    for has_api in [true, false] {
        let (site, registry) = (Site::new(), registry(has_api));
        let (store, repository) = (registry.store(), "ghcr.io/demo/web");
        let (fallback, legacy) =
            (image::legacy_tag(image.digest(), ""), image::legacy_tag(image.digest(), "sig"));
        image.put(store, repository, None).unwrap();
        other.put(store, repository, Some(&legacy)).unwrap();
        other_bundle.put(store, repository, None).unwrap();
        if !has_api {
            image::fallback_index(std::slice::from_ref(&other_bundle))
                .put(store, repository, Some(&fallback))
                .unwrap();
        }
        let brought = Brought::new("ghcr.io/demo/web:1", &image)
            .with_referrer(&bundle, image.digest())
            .with_legacy("sig", &signature);
        let archive = site.archive(3, vec![brought]);
        let to = site.registry(&registry.url(), "type: oci");
        let said = site.succeed(&["load", &text(&archive), "--to", &text(&to)]);
        assert_eq!(said.contains("no referrers API"), !has_api, "{said}");

        let signatures = store.manifest(repository, &legacy).unwrap();
        assert_eq!(String::from_utf8_lossy(&signatures.bytes).matches("cosign/signature").count(), 2);
        assert!(store.manifest(repository, &bundle.digest().to_string()).is_some());
        let index = store.manifest(repository, &fallback);
        assert_eq!(index.is_some(), !has_api, "the fallback is for registries without the API");
        if let Some(index) = index {
            let text = String::from_utf8_lossy(&index.bytes).into_owned();
            for bundle in [&bundle, &other_bundle] {
                assert!(text.contains(&bundle.digest().to_string()), "{text}");
            }
        }
        registry.forget_requests();
        site.load(&archive, &to);
        assert_eq!(writes(&registry.requests()), [""; 0], "a second load settles, api: {has_api}");
    }
}

#[test]
fn only_a_group_is_loaded_and_wrong_names_are_told() {
    let (site, registry) = (Site::new(), registry(true));
    let (web, app) = (small_image("base", "web"), small_image("base", "app"));
    let items = vec![
        Brought::new("ghcr.io/demo/web:1", &web).in_group("bootstrap"),
        Brought::new("ghcr.io/demo/app:1", &app),
    ];
    let archive = text(&site.archive(3, items));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let errors = site.fail(2, &["load", &archive, "--to", &to, "--only", "bootstap"]);
    assert!(errors.contains("bootstap") && errors.contains("its groups are bootstrap"), "{errors}");
    site.succeed(&["load", &archive, "--to", &to, "--only", "bootstrap"]);
    assert_eq!(registry.store().repositories(), ["ghcr.io/demo/web"]);
}

#[test]
fn wrong_credentials_are_told_before_anything_is_written() {
    let (site, credentials) = (Site::new(), Credentials { user: "robot".into(), password: "right".into() });
    let auth = Auth::Bearer { credentials, anonymous_pull: false, uses: None };
    let registry = Registry::start(Options { auth, ..Options::default() }).unwrap();
    let archive =
        text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    site.log_in(&registry.host(), "robot", "wrong");
    let errors = site.fail(1, &["load", &archive, "--to", &to]);
    assert!(errors.contains("unauthorized") && errors.contains("ghcr.io/demo/web:1"), "{errors}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
    site.log_in(&registry.host(), "robot", "right");
    site.succeed(&["load", &archive, "--to", &to]);
}

#[test]
fn an_archive_that_changes_between_verification_and_sending_is_not_committed() {
    use std::os::unix::fs::FileExt as _;
    use std::time::Duration;

    let (site, registry) = (Site::new(), registry(true));
    let image = small_image("base", "web");
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]);
    let layer = image.blobs()[2].clone();
    let mut content = Vec::new();
    layer.write(&mut content).unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let at = bytes.windows(content.len()).position(|window| window == content).unwrap();
    // The second question is answered late enough for the change to come in between.
    registry.fault(Rule::new("/manifests/sha256", Fault::Delay(Duration::from_secs(2))));
    let to = site.registry(&registry.url(), "type: oci");
    let errors = std::thread::scope(|scope| {
        let load = scope.spawn(|| site.fail(4, &["load", &text(&archive), "--to", &text(&to)]));
        while registry.requests().is_empty() {
            std::thread::yield_now();
        }
        let file = std::fs::File::options().write(true).open(&archive).unwrap();
        file.write_all_at(&[bytes[at + 5] ^ 1], at as u64 + 5).unwrap();
        load.join().unwrap()
    });
    assert!(
        errors.contains("ghcr.io/demo/web:1") && errors.contains(&layer.digest().to_string()),
        "{errors}"
    );
    assert!(!registry.store().has_blob("ghcr.io/demo/web", layer.digest()));
    assert_eq!(registry.count("PUT", "/manifests/"), 0);
    assert_eq!(site.last_receipt()["state"], "refused", "a byte that is not good leaves a receipt");
}

#[test]
fn a_cut_upload_is_sent_again_and_a_load_that_failed_goes_on() {
    let (site, registry) = (Site::new(), registry(true));
    let image = small_image("base", "web");
    let archive = text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]));
    let to = text(&site.registry(&registry.url(), "type: oci, sign: false"));
    registry.fault(Rule::new("/blobs/uploads/", Fault::CutUpload(100)).on(Method::PUT).times(2));
    registry.fault(Rule::new("/manifests/sha256", Fault::Status(StatusCode::FORBIDDEN)).on(Method::PUT));
    site.fail(1, &["load", &archive, "--to", &to]);
    registry.clear_faults();
    registry.forget_requests();
    let loaded = site.succeed(&["load", &archive, "--to", &to, "--json"]);
    assert_eq!(registry.count("PUT", "/blobs/uploads/"), 0, "the blobs were there: {loaded}");
    assert_eq!(registry.store().tags("ghcr.io/demo/web"), Some(vec!["1".to_owned()]));
}

#[test]
fn tokens_that_expire_in_the_middle_are_renewed() {
    let credentials = Credentials { user: "robot".into(), password: "right".into() };
    let auth = Auth::Bearer { credentials, anonymous_pull: false, uses: Some(24) };
    let registry = Registry::start(Options { auth, ..Options::default() }).unwrap();
    let site = Site::new();
    let layers: Vec<Layer> = (0..60).map(|at| Layer::with_files(&format!("layer {at}"), 100)).collect();
    let image = image::image("linux/amd64", &layers, Format::Oci);
    let archive = text(&site.archive(3, vec![Brought::new("ghcr.io/demo/a:1", &image)]));
    site.log_in(&registry.host(), "robot", "right");
    let to = text(&site.registry(&registry.url(), "type: oci"));
    site.succeed(&["load", &archive, "--to", &to]);
    assert!(registry.count("GET", "/token") > 6, "each token was good for 24 requests");
}

#[test]
fn a_registry_that_redirects_to_its_storage_is_not_followed_and_not_in_the_way() {
    let (site, registry) = (Site::new(), registry(true));
    let layers = [Layer::with_files("large", 2 << 20)];
    let image = image::image("linux/amd64", &layers, Format::Oci);
    registry.store().put_blob("ghcr.io/demo/web", &image.blobs()[1]).unwrap();
    let elsewhere = Fault::Redirect("http://storage.invalid{path}".to_owned());
    registry.fault(Rule::new("/blobs/sha256", elsewhere).on(Method::HEAD));
    let archive = text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]));
    site.succeed(&["load", &archive, "--to", &text(&site.registry(&registry.url(), "type: oci"))]);
    let large = image.blobs()[1].digest().hex();
    let sent = registry.requests().into_iter().filter(|request| request.method == "PUT");
    assert_eq!(sent.filter(|request| request.query.contains(&large)).count(), 0, "it was there");
}

#[test]
fn a_registry_that_takes_nothing_is_named_and_no_name_is_set() {
    let (site, registry) = (Site::new(), registry(true));
    registry
        .fault(Rule::new("/blobs/uploads/", Fault::Status(StatusCode::METHOD_NOT_ALLOWED)).on(Method::POST));
    let archive =
        text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let errors = site.fail(1, &["load", &archive, "--to", &to]);
    assert!(errors.contains("ghcr.io/demo/web") && errors.contains("405"), "{errors}");
    assert_eq!(registry.count("PUT", "/manifests/"), 0);
}

#[test]
fn what_the_site_signs_waits_in_its_state_and_in_no_temporary_folder() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let archive = text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "a"))]));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let mut load = site.command(&["load", &archive, "--to", &to]);
    let output = load.env("TMPDIR", site.path("missing")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
