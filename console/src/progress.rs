//! Progress on stderr: a bar on a terminal, a line now and then in a log.

use std::io::{IsTerminal as _, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::escape::escape;

/// How often a log that is no terminal gets a line: a night's run should not fill a disk.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// `1 manifest`, `2 manifests`.
#[must_use]
pub fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A number of bytes for people: `3.50 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// The progress of one stage, counted in bytes. Cheap to clone and to add to from many tasks.
#[derive(Clone)]
pub struct Progress(Arc<Inner>);

struct Inner {
    label: String,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// A stage of `total` bytes. `quiet` shows nothing.
    #[must_use]
    pub fn new(label: &str, total: u64, quiet: bool) -> Self {
        let is_terminal = stderr().is_terminal() && !quiet;
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::new(total);
            let template =
                "{prefix} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let last_line = Mutex::new(Instant::now());
        let label = if quiet { String::new() } else { label.to_owned() };
        Self(Arc::new(Inner { label, total, done: AtomicU64::new(0), bar, last_line }))
    }

    /// Counts `bytes` more.
    pub fn add(&self, bytes: u64) {
        let done = self.0.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match &self.0.bar {
            Some(bar) => bar.inc(bytes),
            None if !self.0.label.is_empty() => self.line(done),
            None => {}
        }
    }

    /// Takes `bytes` back, when something has to be done again: a bar that goes on would lie.
    pub fn take_back(&self, bytes: u64) {
        self.0.done.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.dec(bytes);
        }
    }

    /// Shows what is worked on.
    pub fn message(&self, item: &str) {
        if let Some(bar) = &self.0.bar {
            bar.set_message(escape(item));
        }
    }

    /// Prints a line above the bar.
    pub fn note(&self, line: &str) {
        match &self.0.bar {
            Some(bar) => bar.println(escape(line)),
            None => eprintln!("{}", escape(line)),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, done: u64) {
        let mut last = self.0.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            eprintln!("{}: {} of {}", self.0.label, HumanBytes(done), HumanBytes(self.0.total));
        }
    }
}
