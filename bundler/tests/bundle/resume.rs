//! Builds that are interrupted.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::Method;
use fixtures::chart;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Blob, Format, Layer};
use fixtures::registry::{Options, Registry, Storage};

use crate::project::{BUILD, Project, Ran, first_byte};

/// The journal notes large blobs every 64 MiB.
const NOTED: u64 = 64 * 1024 * 1024;
const LARGE: u64 = NOTED + 40 * 1024 * 1024;

struct Upstream {
    registry: Registry,
    project: Project,
    large: Blob,
    small: Vec<Blob>,
}

impl Upstream {
    /// A lock of an image with one large layer, which stops coming after its first 64 MiB, and small ones.
    fn stopping() -> Self {
        let project = Project::new("");
        let storage = Storage::Folder(project.path("registry"));
        let registry = Registry::start(Options { storage, ..Options::default() }).unwrap();
        let small = (0..5).map(|number| Layer::with_files(&format!("small-{number}"), 5_000));
        let layers: Vec<_> = std::iter::once(Layer::raw(1, LARGE)).chain(small).collect();
        let image = image::image("linux/amd64", &layers, Format::Oci);
        image.put(registry.store(), "demo/app", Some("1")).unwrap();
        project.define(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
        project.lock();
        registry.forget_requests();
        let large = layers[0].blob.clone();
        let path = large.digest().to_string();
        registry.fault(Rule::new(&path, Fault::Cut(NOTED + 10_000_000)).on(Method::GET).times(1));
        registry.fault(Rule::new(&path, Fault::Delay(Duration::from_secs(600))).on(Method::GET));
        Self { registry, project, large, small: layers[1..].iter().map(|layer| layer.blob.clone()).collect() }
    }

    /// Starts a build and waits until all that can be had is noted in its journal.
    fn start(&self) -> Child {
        let mut command = self.project.command(&BUILD);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.wait_for(|| {
            let journal = std::fs::read_to_string(self.project.path("core.tar.journal")).unwrap_or_default();
            let has =
                |blob: &Blob, done: u64| journal.contains(&format!("\"{}\",\"done\":{done}", blob.digest()));
            self.small.iter().all(|blob| has(blob, blob.size()))
                && journal.contains(&self.large.digest().to_string())
        });
        child
    }

    fn wait_for(&self, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "nothing came of waiting: {:#?}", self.registry.requests());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where downloads of the large layer began since requests were forgotten.
    fn ranges(&self) -> Vec<String> {
        let path = self.large.digest().to_string();
        let requests = self.registry.requests();
        let requests = requests.iter().filter(|request| request.path.contains(&path));
        requests.map(|request| request.header("range").unwrap_or_default().to_owned()).collect()
    }

    fn recover(&self) {
        self.registry.clear_faults();
        self.registry.forget_requests();
    }
}

#[test]
fn a_killed_build_goes_on_from_its_journal() {
    let upstream = Upstream::stopping();
    let mut child = upstream.start();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!upstream.project.path("core.tar").exists());
    // What had not come yet has its place on the disk already.
    let partial = std::fs::metadata(upstream.project.path("core.tar.partial")).unwrap();
    assert!(partial.len() > LARGE && partial.blocks() * 512 >= partial.len(), "{partial:?}");

    upstream.recover();
    let built = upstream.project.build();
    let from = first_byte(&upstream.ranges()[0]);
    assert!(from >= NOTED, "{from}");
    assert_eq!(upstream.registry.requests().len(), 1, "what was whole is not asked for again");
    assert_eq!(built["fetchedBytes"], LARGE - from);
    let small: u64 = upstream.small.iter().map(Blob::size).sum();
    assert_eq!(built["resumedBytes"], from + small);
    upstream.project.verify("core.tar");
}

#[test]
fn what_a_journal_claims_and_the_disk_lost_is_fetched_again() {
    let upstream = Upstream::stopping();
    let mut child = upstream.start();
    child.kill().unwrap();
    child.wait().unwrap();
    // All of the content is lost, as if no page of it had reached the disk.
    let partial = upstream.project.path("core.tar.partial");
    let size = partial.metadata().unwrap().len();
    let file = std::fs::File::options().write(true).open(&partial).unwrap();
    file.set_len(0).unwrap();
    file.set_len(size).unwrap();
    upstream.recover();
    upstream.project.build();
    upstream.project.verify("core.tar");
    assert_eq!(upstream.ranges().len(), 2, "from where the journal says, and then from the start");
}

#[test]
fn a_build_that_is_told_to_stop_says_that_it_can_go_on() {
    let upstream = Upstream::stopping();
    let child = upstream.start();
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let ended = Ran(child.wait_with_output().unwrap());
    ended.fails(1, &["interrupted", "goes on where this one was"]);
    upstream.recover();
    assert!(upstream.project.build()["resumedBytes"].as_u64().unwrap() > NOTED);
}

#[test]
fn a_journal_that_outlived_its_archive_is_removed() {
    let project = Project::new("charts: [{path: chart.tgz}]");
    project.write("chart.tgz", chart::archive_of("demo", "1.0.0"));
    project.lock();
    let identity = project.build()["identity"].as_str().unwrap().to_owned();
    project.write("core.tar.journal", format!("{{\"identity\":\"{identity}\"}}\n"));
    assert_eq!(project.build()["wasThere"], true);
    assert!(!project.path("core.tar.journal").exists());
}

#[test]
fn drafts_of_older_locks_are_named_and_left_alone() {
    let project = Project::new("charts: [{path: chart.tgz}]");
    project.write("chart.tgz", chart::archive_of("demo", "1.0.0"));
    project.lock();
    let old = "core-20250101000000.tar.partial";
    let at_work = "core-20250202000000.tar.partial";
    for name in [old, at_work, "core-x.tar.partial", "core-2.tar", "other-20250101000000.tar.partial"] {
        project.write(name, vec![1; 8192]);
    }
    let journal = std::fs::File::create(project.path("core-20250202000000.tar.journal")).unwrap();
    journal.lock().unwrap();
    let ran = project.run(&BUILD).succeeds();
    let notices: Vec<String> =
        ran.stderr().lines().filter(|line| line.contains("is left from")).map(str::to_owned).collect();
    assert_eq!(notices.len(), 1, "{}", ran.stderr());
    assert!(notices[0].contains(old) && notices[0].contains("(8.00 KiB)"), "{notices:?}");
    assert!(project.path(old).exists());
}

#[test]
fn two_builds_of_one_archive_do_not_run_at_once() {
    let upstream = Upstream::stopping();
    let mut child = upstream.start();
    upstream.project.run(&BUILD).fails(1, &["core.tar.journal", "another build"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_another_lock_left_is_not_used_and_that_is_said() {
    let upstream = Upstream::stopping();
    let mut child = upstream.start();
    child.kill().unwrap();
    child.wait().unwrap();
    upstream.recover();
    upstream.project.lock();
    upstream.recover();
    let said = upstream.project.run(&BUILD).succeeds().stderr();
    assert!(said.contains("another archive left here is not used"), "{said}");
    assert_eq!(upstream.ranges(), [""]);
    upstream.project.verify("core.tar");
}
