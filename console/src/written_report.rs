//! The report's file, and what `report` prints.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive_report::{ArchiveReport, Conclusion, Standing};
use crate::escape::escape;
use crate::progress::count;
use crate::{Class, Failure};

/// A report, and where it was written.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenReport {
    /// The file; nothing where none was asked for.
    file: Option<PathBuf>,
    /// What it says.
    #[serde(flatten)]
    report: ArchiveReport,
}

impl WrittenReport {
    /// Writes a report to `output`, by default to `NAME-SERIAL.html`. Printed as JSON, it is written only where
    /// `output` says so. An older report under that name is replaced.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(report: ArchiveReport, output: Option<&Path>, as_json: bool) -> Result<Self, Failure> {
        let named = || PathBuf::from(format!("{}-{}.html", report.archive.name, report.archive.serial));
        let file = output.map(Path::to_owned).or_else(|| (!as_json).then(named));
        if let Some(path) = &file {
            replace(path, report.html().as_bytes())
                .map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
        }
        Ok(Self { file, report })
    }

    /// What happened, for people.
    #[must_use]
    pub fn render(&self) -> String {
        let ArchiveReport { archive, standing, conclusion, refusals, policies, .. } = &self.report;
        let verified = match standing {
            Standing::Verified => "every byte is what was signed",
            Standing::Unverified => "UNVERIFIED: nobody checked the signature (--trust or --key does)",
        };
        let concluded = match conclusion {
            Conclusion::Passed => "nothing is against it".to_owned(),
            Conclusion::Refused => format!("refused: {} against it", count(refusals.len() as u64, "reason")),
            Conclusion::NothingJudged => "nothing was judged".to_owned(),
        };
        let as_of = self.report.as_of();
        let judged = policies.iter().filter_map(|policy| policy.judgement.as_ref());
        let gates: String =
            judged.map(|judgement| format!("gates          {}\n", judgement.summary())).collect();
        let file = self
            .file
            .as_ref()
            .map(|file| format!("report         {}\n", escape(&file.display().to_string())));
        format!(
            "{}identity       {}\nname           {}, serial {}\nverified       {verified}\n{gates}concluded      {concluded}{as_of}\n",
            file.unwrap_or_default(),
            archive.identity,
            archive.name,
            archive.serial,
        )
    }
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // Gone already when it has its name.
        let _ = fs::remove_file(&temporary);
    })
}
