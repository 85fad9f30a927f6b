//! Running a command and watching its time, its memory and what it takes of the disk.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What one run of a command took.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// Wall time.
    pub(crate) seconds: f64,
    /// The most memory that was resident: of the process itself, or of one that it started.
    pub(crate) resident_kib: u64,
    /// The most that was allocated on the disk beyond what was there before, in bytes.
    pub(crate) disk: u64,
}

/// Runs a command that must succeed. What it takes of the disk is looked for in `folders`, and in the files without a
/// name that it has open.
pub(crate) fn run(command: &mut Command, folders: &[&Path]) -> Run {
    let before: u64 = folders.iter().map(|folder| allocated(folder)).sum();
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let (process, ended) = (child.id(), AtomicBool::new(false));
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(process, folders, &ended));
        let status = child.wait().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        assert!(status.success(), "found {status} of {command:?}");
        let (resident_kib, disk) = watching.join().unwrap();
        Run { seconds, resident_kib, disk: disk.saturating_sub(before) }
    })
}

/// Looks at the memory of a process and at the disk until it has ended. Every look takes from the processors what is
/// measured, so the disk gets fewer.
fn watch(process: u32, folders: &[&Path], ended: &AtomicBool) -> (u64, u64) {
    let (mut resident, mut disk) = (0, 0);
    for look in 0.. {
        let is_last = ended.load(Ordering::Relaxed);
        let started = children(process).into_iter().chain([process]);
        resident = started.filter_map(high_water).fold(resident, u64::max);
        if look % 5 == 0 || is_last {
            let named: u64 = folders.iter().map(|folder| allocated(folder)).sum();
            disk = disk.max(named + without_name(process));
        }
        if is_last {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    (resident, disk)
}

/// What the files of a folder take, those of folders below it too.
fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => allocated(&entry.path()),
        found => found.map_or(0, |found| blocks(&found)),
    };
    entries.map(size).sum()
}

/// What the files take that a process has open and that have no name.
fn without_name(process: u32) -> u64 {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let files = open.filter_map(|entry| fs::metadata(entry.path()).ok());
    files.filter(|found| found.is_file() && found.nlink() == 0).map(|found| blocks(&found)).sum()
}

/// The standard counts blocks of 512 bytes, whatever those of the file system are.
fn blocks(found: &Metadata) -> u64 {
    found.blocks() * 512
}

/// `VmHWM` only grows, so the last reading is the most that was resident up to then.
fn high_water(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processes that a process started and that run now: a shell's commands.
fn children(process: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The middle one of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
