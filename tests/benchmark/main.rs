//! How long `lock`, `build` and `load` take, beside the floor of the same minute and beside `skopeo copy`.
//!
//! ```text
//! tests/run -- cargo run --release -p tests --features servers --bin benchmark [SET...] [--pairs N] [--folder DIR]
//! ```
//!
//! The floor is what the work needs at least: the same distinct blobs, four at once, with the same HTTP library,
//! hashed, written into one file, synced (see `floor`). Each figure is a ratio of two runs that follow each other;
//! the median of the pairs is printed. Nothing here fails because something was slow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on says why and ends"
)]

mod content;
mod floor;
mod judge;
mod measure;
mod registry;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Set;
use measure::{Run, median, run};
use registry::DockerRegistry;
use tests::binaries::{airgap_bundle, airgap_import};
use tests::command::succeed;

struct Options {
    sets: Vec<String>,
    pairs: usize,
    folder: PathBuf,
}

fn options() -> Options {
    let mut options = Options { sets: vec![], pairs: 5, folder: std::env::temp_dir() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--pairs" => options.pairs = arguments.next().unwrap().parse().unwrap(),
            "--folder" => options.folder = arguments.next().unwrap().into(),
            name => options.sets.push(name.to_owned()),
        }
    }
    if options.sets.is_empty() {
        options.sets = ["images", "layer", "small", "judge"].map(str::to_owned).to_vec();
    }
    options
}

fn main() {
    let options = options();
    println!("{} pairs; each figure is the median of their ratios\n", options.pairs);
    println!("| set | step | seconds | floor | ratio | resident MiB | beside |");
    println!("|---|---|--:|--:|--:|--:|---|");
    for name in &options.sets {
        if name == "judge" {
            judge::measure();
            continue;
        }
        let folder = tempfile::tempdir_in(&options.folder).unwrap();
        measure_set(&Set::named(name), folder.path(), options.pairs);
    }
}

/// How often each target is loaded again. It takes half a second, in which the answers of a registry take a third more or
/// less from one time to the next.
const AGAIN: usize = 5;

/// Most images that `skopeo` copies beside a build: it takes a tenth of a second for each.
const MOST_BESIDE: usize = 1250;

/// The whole way of one set: fill a registry, lock, build, load, load again.
fn measure_set(set: &Set, folder: &Path, pairs: usize) {
    let source = DockerRegistry::start(&folder.join("source"));
    let blobs = set.push(&source);
    let bench = Bench::new(set, &source, folder);
    let lock = bench.lock();
    print_row(set, "lock", &[(lock, None)], "");

    let (mut builds, mut peers) = (vec![], vec![]);
    for _ in 0..pairs {
        let floor = floor::build(&source, &blobs, &folder.join("floor.bin"));
        builds.push((bench.build(), Some(floor)));
        if set.images.len() <= MOST_BESIDE {
            peers.push((bench.skopeo(), Some(floor)));
        }
    }
    let size = bench.size() as f64;
    let beside = format!(
        "archive {:.4} x the blobs, at most {:.4} x the archive on the disk",
        size / blobs.iter().map(|blob| blob.size).sum::<u64>() as f64,
        most_disk(&builds) as f64 / size
    );
    print_row(set, "build", &builds, &beside);
    if !peers.is_empty() {
        print_row(set, "skopeo copy --all", &peers, "into an OCI layout, not signed");
    }

    let (mut loads, mut signed, mut seconds, mut folders) = (vec![], vec![], vec![], vec![]);
    for at in 0..pairs {
        let target = DockerRegistry::start(&folder.join(format!("floor-{at}")));
        let floor = floor::load(&bench.archive(), &target, set, &blobs);
        drop(target);
        let target = DockerRegistry::start(&folder.join(format!("target-{at}")));
        bench.init(at);
        loads.push((bench.load(&target, at, Signatures::No), Some(floor)));
        let asked = floor::questions(&target, &bench.names());
        for _ in 0..AGAIN {
            let verify = bench.verify(at);
            let questions = floor::ask(&asked);
            seconds.push((bench.load(&target, at, Signatures::No), Some(verify.seconds + questions)));
        }
        drop(target);
        let target = DockerRegistry::start(&folder.join(format!("signed-{at}")));
        bench.init(at);
        signed.push((bench.load(&target, at, Signatures::OfTheSite), Some(floor)));
        drop(target);
        bench.init(at);
        folders.push((bench.load_into_folder(at), None));
    }
    print_row(set, "load into docker-registry", &loads, &state_disk(&loads));
    print_row(
        set,
        "load, signed by the site",
        &signed,
        &format!("the floor signs nothing; {}", state_disk(&signed)),
    );
    print_row(set, "load into a folder", &folders, &state_disk(&folders));
    print_row(
        set,
        "load again",
        &seconds,
        "the floor is `verify` and a HEAD for each name and blob; no blob is sent",
    );
}

/// The most that any of some runs took of the disk, in bytes.
fn most_disk(runs: &[(Run, Option<f64>)]) -> u64 {
    runs.iter().map(|(run, _)| run.disk).max().unwrap_or(0)
}

fn state_disk(runs: &[(Run, Option<f64>)]) -> String {
    format!("at most {:.1} MiB in the state directory", most_disk(runs) as f64 / 1_048_576.0)
}

fn print_row(set: &Set, step: &str, runs: &[(Run, Option<f64>)], beside: &str) {
    let ratios: Vec<f64> =
        runs.iter().filter_map(|(run, floor)| floor.map(|floor| run.seconds / floor)).collect();
    let floors: Vec<f64> = runs.iter().filter_map(|(_, floor)| *floor).collect();
    let shown =
        |values: &[f64]| if values.is_empty() { String::new() } else { format!("{:.2}", median(values)) };
    let seconds: Vec<f64> = runs.iter().map(|(run, _)| run.seconds).collect();
    let resident = runs.iter().map(|(run, _)| run.resident_kib).max().unwrap_or(0) as f64 / 1024.0;
    println!(
        "| {} | {step} | {} | {} | {} | {resident:.0} | {beside} |",
        set.description,
        shown(&seconds),
        shown(&floors),
        shown(&ratios),
    );
}

/// Whether the site signs what it loads.
#[derive(Clone, Copy, PartialEq)]
enum Signatures {
    OfTheSite,
    No,
}

/// The folder that nothing but a build writes into.
const BUILT: &str = "built";
const ARCHIVE: &str = "built/bench.tar";

/// The files of one set, and the commands as a user types them.
struct Bench<'a> {
    set: &'a Set,
    source: String,
    folder: &'a Path,
}

impl<'a> Bench<'a> {
    fn new(set: &'a Set, source: &DockerRegistry, folder: &'a Path) -> Self {
        let images: Vec<String> = set.images.iter().map(|image| image.reference(source)).collect();
        fs::write(folder.join("images.txt"), images.join("\n")).unwrap();
        let definition = "apiVersion: airgap/v1\nkind: Definition\nmetadata: {name: bench}\nspec:\n  images: [{from: images.txt}]\n";
        fs::write(folder.join("bench.yaml"), definition).unwrap();
        let policy = "apiVersion: airgap/v1\nkind: Policy\nspec: {}\n";
        fs::write(folder.join("policy.yaml"), policy).unwrap();
        fs::create_dir(folder.join(BUILT)).unwrap();
        succeed(airgap_bundle().current_dir(folder).args(["keygen", "--unencrypted", "--out", "preparer"]));
        Self { set, source: source.address.clone(), folder }
    }

    /// Where the images are at a target.
    fn names(&self) -> Vec<(String, String)> {
        let host = self.source.replace(':', "_");
        self.set
            .images
            .iter()
            .map(|image| (format!("{host}/{}", image.repository()), "1".to_owned()))
            .collect()
    }

    fn archive(&self) -> PathBuf {
        self.folder.join(ARCHIVE)
    }

    fn size(&self) -> u64 {
        fs::metadata(self.archive()).unwrap().len()
    }

    fn lock(&self) -> Run {
        run(airgap_bundle().current_dir(self.folder).args(["lock", "bench.yaml", "--quiet"]), &[])
    }

    fn build(&self) -> Run {
        let _ = fs::remove_file(self.archive());
        let arguments = ["build", "bench.yaml", "--key", "preparer.key", "-o", ARCHIVE, "--quiet"];
        run(airgap_bundle().current_dir(self.folder).args(arguments), &[&self.folder.join(BUILT)])
    }

    fn skopeo(&self) -> Run {
        let layout = self.folder.join("skopeo");
        let _ = fs::remove_dir_all(&layout);
        let script: Vec<String> = self
            .set
            .images
            .iter()
            .enumerate()
            .map(|(at, image)| {
                let source = format!("docker://{}/{}", self.source, image.name());
                format!(
                    "skopeo copy --quiet --all --src-tls-verify=false {source} oci:{}:{at}",
                    layout.display()
                )
            })
            .collect();
        // A file: a thousand images do not fit on a command line.
        let file = self.folder.join("skopeo.sh");
        fs::write(&file, script.join("\n")).unwrap();
        let measured = run(Command::new("sh").arg("-eu").arg(&file), &[]);
        fs::remove_dir_all(&layout).unwrap();
        measured
    }

    fn init(&self, at: usize) {
        let state = format!("state-{at}");
        let _ = fs::remove_dir_all(self.folder.join(&state));
        let arguments = [
            "init",
            "--state",
            &state,
            "--trust",
            "preparer.pub",
            "--policy",
            "policy.yaml",
            "--name",
            "bench",
        ];
        succeed(airgap_import().current_dir(self.folder).args(arguments));
    }

    fn load(&self, target: &DockerRegistry, at: usize, signatures: Signatures) -> Run {
        let sign = signatures == Signatures::OfTheSite;
        let destinations = format!(
            "apiVersion: airgap/v1\nkind: Destinations\nspec: {{registries: [{{name: target, url: \"http://{}\", type: oci, sign: {sign}}}]}}\n",
            target.address
        );
        fs::write(self.folder.join("to.yaml"), destinations).unwrap();
        self.load_to("to.yaml", at)
    }

    fn load_into_folder(&self, at: usize) -> Run {
        let measured = self.load_to("content", at);
        fs::remove_dir_all(self.folder.join("content")).unwrap();
        measured
    }

    fn load_to(&self, to: &str, at: usize) -> Run {
        let state = format!("state-{at}");
        let arguments = ["load", ARCHIVE, "--state", &state, "--to", to, "--quiet"];
        run(airgap_import().current_dir(self.folder).args(arguments), &[&self.folder.join(&state)])
    }

    fn verify(&self, at: usize) -> Run {
        let state = format!("state-{at}");
        let arguments = ["verify", ARCHIVE, "--state", &state, "--quiet"];
        run(airgap_import().current_dir(self.folder).args(arguments), &[])
    }
}
