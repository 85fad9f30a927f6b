//! Running a command and watching its time and memory.

use std::fs;
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
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Run {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let (process, ended) = (child.id(), AtomicBool::new(false));
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(process, &ended));
        let status = child.wait().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        assert!(status.success(), "found {status} of {command:?}");
        Run { seconds, resident_kib: watching.join().unwrap() }
    })
}

/// Looks at the memory of a process until it has ended. Every look takes from the processors what is measured.
fn watch(process: u32, ended: &AtomicBool) -> u64 {
    let mut most = 0;
    while !ended.load(Ordering::Relaxed) {
        let started = children(process).into_iter().chain([process]);
        most = started.filter_map(high_water).fold(most, u64::max);
        thread::sleep(Duration::from_millis(20));
    }
    most
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
