//! `init`: a definition and a policy to start from.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use console::escape::escape;
use console::{Class, Failure, Failures};
use serde::Serialize;

use crate::cli::InitArguments;

const DEFINITION: (&str, &str) = ("sovereign-core.yaml", include_str!("init/sovereign-core.yaml"));
const POLICY: (&str, &str) = ("policy.yaml", include_str!("init/policy.yaml"));

/// What `init` prints.
#[derive(Serialize)]
pub(crate) struct Written {
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &InitArguments) -> Result<Written, Failures> {
    let folder = &arguments.folder;
    let files = [DEFINITION, POLICY].map(|(name, text)| (folder.join(name), text));
    let exist = files.iter().filter(|(path, _)| path.symlink_metadata().is_ok());
    let exist = exist.map(|(path, _)| {
        Failure::new(Class::Usage, path.display(), "found it there already, and nothing is overwritten")
    });
    Failures::unless_empty(exist.collect(), ())?;
    fs::create_dir_all(folder).map_err(|error| Failure::new(Class::Failed, folder.display(), error))?;
    for (path, text) in &files {
        write_new(path, text).map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
    }
    Ok(Written { files: files.map(|(path, _)| path).into() })
}

fn write_new(path: &PathBuf, text: &str) -> io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

impl Written {
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for path in &self.files {
            text.push_str(&format!("wrote {}\n", escape(&path.display().to_string())));
        }
        text + "\nEdit them, then: airgap-bundle keygen --out PREFIX; airgap-bundle lock DEFINITION --policy policy.yaml\n"
    }
}

#[cfg(test)]
mod tests {
    use manifests::definition::Definition;
    use manifests::policy::Policy;
    use manifests::policy::vulnerabilities::Action;

    #[test]
    fn what_init_writes_is_what_this_version_can_do() {
        let definition = Definition::parse(super::DEFINITION.1).unwrap();
        assert!(definition.unsupported.is_empty() && !definition.images.is_empty());
        // Critical does not enter, High is told, and without a report nothing does.
        let policy = Policy::parse(super::POLICY.1).unwrap();
        assert_eq!(policy.gates, ["vulnerabilities"]);
        let default =
            Policy::parse("apiVersion: airgap/v1\nkind: Policy\nspec: {vulnerabilities: {}}\n").unwrap();
        let terms =
            |policy: Policy| policy.vulnerabilities.unwrap().for_item("ghcr.io/demo/web:1").terms.clone();
        let terms = (terms(policy), terms(default));
        assert_eq!(format!("{:?}", terms.0), format!("{:?}", terms.1));
        assert_eq!(terms.0.severities.critical.unfixed, Action::Deny);
        assert_eq!(terms.0.severities.high.fixed, Action::Warn);
    }

    /// Explanations begin in upper case or with a quoted command, examples do not.
    #[test]
    fn the_examples_of_the_policy_are_right_when_they_are_uncommented() {
        let is_example = |text: &&str| !text.starts_with(|first: char| first.is_uppercase() || first == '`');
        let uncommented = super::POLICY.1.lines().map(|line| {
            let example = line.strip_prefix("  # ").filter(is_example);
            example.map_or_else(|| line.to_owned(), |example| format!("  {example}")) + "\n"
        });
        let policy = Policy::parse(&uncommented.collect::<String>()).unwrap();
        assert_eq!(policy.gates, ["signatures", "vulnerabilities", "malware"]);
        assert_eq!(policy.signatures.unwrap().rules().len(), 3);
        assert_eq!(policy.vulnerabilities.unwrap().exceptions.len(), 1);
        assert_eq!(policy.approvals.len(), 1);
    }
}
