//! Images of Alpine by their package lists, and a database of made-up advisories that Trivy compares them with.

use std::time::{SystemTime, UNIX_EPOCH};

use fixtures::image::{self, Artifact, Format, Layer};
use manifests::Timestamp;

use crate::desk::Desk;

/// An image of Alpine `release` with one package, `busybox` of this version.
pub fn image(platform: &str, release: &str, busybox: &str) -> Artifact {
    let machine = if platform == "linux/arm64" { "aarch64" } else { "x86_64" };
    let os = format!("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID={release}\n");
    let installed = format!("P:busybox\nV:{busybox}\nA:{machine}\no:busybox\n\n");
    let files = [
        ("etc/os-release".to_owned(), os.as_bytes()),
        ("etc/alpine-release".to_owned(), release.as_bytes()),
        ("etc/apk/arch".to_owned(), machine.as_bytes()),
        ("lib/apk/db/installed".to_owned(), installed.as_bytes()),
    ];
    image::image(platform, &[Layer::of_files(&files)], Format::Oci)
}

/// This moment, as the date of a database.
pub fn now() -> String {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    let seconds = i64::try_from(elapsed.as_secs()).expect("a time before the end");
    Timestamp::from_unix(seconds).expect("a time").to_string()
}

/// Makes the folder `CACHE` with a database of this date: a Critical with a fix in 1.37.0-r1, and a High without, in
/// busybox of Alpine 3.23.
pub fn database(desk: &Desk, cache: &str, updated: &str) {
    desk.write(
        "advisories.json",
        r#"[
          {"bucket": "alpine 3.23", "package": "busybox", "id": "CVE-2026-0001", "severity": "CRITICAL", "fixed": "1.37.0-r1"},
          {"bucket": "alpine 3.23", "package": "busybox", "id": "CVE-2026-0002", "severity": "HIGH", "fixed": "1.37.0-r2"}
        ]"#,
    );
    desk.run(&format!("trivydb -advisories advisories.json -out {cache}/db -updated {updated}"));
}
