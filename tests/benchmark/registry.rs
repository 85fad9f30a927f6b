//! Debian's docker-registry with data of its own, started for one run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running registry. Dropping it ends the process and removes its data.
pub(crate) struct DockerRegistry {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    process: Child,
    folder: PathBuf,
}

impl DockerRegistry {
    /// Starts one with its data in `folder`, which is made.
    pub(crate) fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let configuration = folder.join("registry.yml");
        let data = folder.join("data");
        let settings = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:0\", secret: benchmark}}\n",
            data.display()
        );
        fs::write(&configuration, settings).unwrap();
        let log = folder.join("log");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let address = (0..300).find_map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let text = fs::read_to_string(&log).unwrap();
            let (_, after) = text.split_once("listening on ")?;
            let end =
                after.find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)))?;
            Some(after[..end].to_owned())
        });
        Self { address: address.expect("docker-registry listens"), process, folder: folder.to_owned() }
    }

    /// The URL of a path in a repository.
    pub(crate) fn url(&self, repository: &str, path: &str) -> String {
        format!("http://{}/v2/{repository}/{path}", self.address)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
