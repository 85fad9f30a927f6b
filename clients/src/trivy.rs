//! The vulnerability scanner Trivy, run as a program of its own.
//!
//! Its report says neither which database it compared with nor which filters hid findings: `.trivyignore` in the
//! working folder, a settings file and the environment all do, and leave no trace. So it runs in an empty folder,
//! with nothing of our environment but what it needs to reach a registry, with every argument written here; and
//! what it does not write goes into a [`ScanReport`] around its own bytes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use manifests::policy::vulnerabilities::Versions;
use manifests::scan_report::{Database, ScanReport, Tool};
use manifests::{Platform, Timestamp, json, limits};
use serde::Deserialize;

/// What of our environment reaches it: the way to registries and their credentials.
const ENVIRONMENT: [&str; 8] =
    ["PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];

/// Largest report, in bytes: in a scan report it grows by a third.
const REPORT_BYTES: u64 = limits::EVIDENCE_BYTES / 4 * 3;

/// Where its database comes from.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The folder of its databases; by default its own.
    pub cache: Option<PathBuf>,
    /// Whether the databases are used as they lie there, and nothing is downloaded.
    pub is_offline: bool,
}

/// A scanner whose version and database are known.
#[derive(Debug)]
pub struct Trivy {
    settings: Settings,
    tool: Tool,
    database: Database,
    /// Empty, for as long as it is used.
    folder: tempfile::TempDir,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum TrivyError {
    /// There is no such program, or it cannot be run.
    #[error("cannot run trivy: {0}: install it, or leave scans out")]
    Program(io::Error),
    /// A release that was compromised.
    #[error("found trivy {0}, which was compromised (CVE-2026-33634), wanted another version")]
    Compromised(String),
    /// It does not say what it is.
    #[error("found no version and no database of trivy: {0}")]
    Version(String),
    /// There is no database.
    #[error("found no vulnerability database of trivy, wanted one: run `trivy image --download-db-only`")]
    NoDatabase,
    /// It ended with a failure.
    #[error("trivy ended with {status}: {said}")]
    Failed {
        /// How.
        status: String,
        /// The last line that it said.
        said: String,
    },
    /// Its report cannot be read.
    #[error("the report of trivy: {0}")]
    Report(String),
}

impl TrivyError {
    /// Whether it is to be refused, and not worth another try.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Compromised(_))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versioned {
    version: String,
    #[serde(default, rename = "VulnerabilityDB")]
    database: Option<VersionedDatabase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionedDatabase {
    version: u32,
    updated_at: String,
}

impl Trivy {
    /// Finds it, brings its database up to date unless it is to work offline, and asks for its version.
    ///
    /// # Errors
    /// When it is not there, was compromised, or has no database.
    pub fn find(settings: Settings) -> Result<Self, TrivyError> {
        // A relative folder would be another one from its own.
        let cache = settings.cache.map(std::path::absolute).transpose().map_err(TrivyError::Program)?;
        let settings = Settings { cache, ..settings };
        let folder = tempfile::tempdir().map_err(TrivyError::Program)?;
        let version = ask(&settings, folder.path())?.version;
        if Versions::compromised().contain(&version) {
            return Err(TrivyError::Compromised(version));
        }
        if !settings.is_offline {
            let update = ["image", "--download-db-only", "--quiet"].map(str::to_owned);
            run(&settings, folder.path(), update.to_vec())?;
        }
        let database = ask(&settings, folder.path())?.database.ok_or(TrivyError::NoDatabase)?;
        let updated_at = Timestamp::from_rfc3339(&database.updated_at)
            .map_err(|error| TrivyError::Version(error.to_string()))?;
        let database = Database { digest: None, updated_at, version: database.version };
        Ok(Self { settings, tool: Tool { name: "trivy".to_owned(), version }, database, folder })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.tool.version
    }

    /// When its database was made.
    #[must_use]
    pub const fn database(&self) -> Timestamp {
        self.database.updated_at
    }

    /// Scans one platform of an image in a registry, `HOST/REPOSITORY@DIGEST`.
    ///
    /// # Errors
    /// When it fails, or its report is too large.
    pub fn scan(&self, target: &str, platform: &Platform) -> Result<ScanReport, TrivyError> {
        let report = self.folder.path().join("report.json");
        let mut arguments: Vec<String> = [
            "image",
            "--image-src",
            "remote",
            "--scanners",
            "vuln",
            "--format",
            "json",
            "--ignorefile",
            "/dev/null",
            "--list-all-pkgs",
            "--show-suppressed",
            "--skip-db-update",
            "--skip-version-check",
            "--quiet",
        ]
        .map(str::to_owned)
        .to_vec();
        if self.settings.is_offline {
            arguments.extend(["--offline-scan", "--skip-java-db-update"].map(str::to_owned));
        }
        arguments.extend(["--platform".to_owned(), platform.to_string(), "--output".to_owned()]);
        arguments.push("report.json".to_owned());
        arguments.push(target.to_owned());
        run(&self.settings, self.folder.path(), arguments.clone())?;
        let read = read(&report);
        // The next scan must find the folder empty, and no report that is not its own.
        let removed = std::fs::remove_file(&report);
        let bytes = read.map_err(|error| TrivyError::Report(error.to_string()))?;
        removed.map_err(|error| TrivyError::Report(error.to_string()))?;
        Ok(ScanReport::new(self.tool.clone(), self.database.clone(), arguments, platform.clone(), bytes))
    }
}

fn ask(settings: &Settings, folder: &Path) -> Result<Versioned, TrivyError> {
    let Output { stdout, .. } =
        run(settings, folder, ["version", "--format", "json"].map(str::to_owned).to_vec())?;
    json::parse(&stdout).map_err(|error| TrivyError::Version(error.to_string()))
}

/// Runs it. The folder of its databases is no argument that a report needs to name, and is another one on the next
/// machine: it goes by the environment.
fn run(settings: &Settings, folder: &Path, arguments: Vec<String>) -> Result<Output, TrivyError> {
    let mut command = Command::new("trivy");
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    let kept = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(kept);
    // Modules in the home folder may take findings out, so it has none. What is of use there is named.
    command.env("HOME", folder);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    command.env("DOCKER_CONFIG", set("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")));
    let usual = || set("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("trivy");
    command.env("TRIVY_CACHE_DIR", settings.cache.clone().unwrap_or_else(usual));
    let output = command.output().map_err(TrivyError::Program)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Err(TrivyError::Failed { status: output.status.to_string(), said: json::shortened(said) })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(REPORT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > REPORT_BYTES {
        return Err(io::Error::other(format!("found more than {REPORT_BYTES} bytes, wanted at most that")));
    }
    Ok(bytes)
}
