//! `airgap-import serve` as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::desk::Desk;

/// A server that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Served {
    child: Child,
    url: String,
}

impl Served {
    /// Starts `airgap-import serve` with these arguments, on a free port of loopback.
    pub fn start(desk: &Desk, arguments: &str) -> Self {
        let mut command = desk.command(&format!("airgap-import serve --listen 127.0.0.1:0 {arguments}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its standard output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http"), "found {line:?}, wanted where it listens: serve {arguments}");
        Self { child, url }
    }

    /// Where it listens, with its scheme.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens, as it stands in references.
    pub fn address(&self) -> &str {
        self.url.split('/').next_back().unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
