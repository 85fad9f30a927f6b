//! Reports on the image of a draft.

use manifests::scan_report::{Database, ScanReport, Tool};
use manifests::{Digest, Timestamp};
use serde_json::{Value, json};

/// A report on the image with this config and this one unpacked layer, by a database of so many hours ago.
pub(crate) fn of(config: Digest, layer: Digest, database: i64, findings: &Value) -> Vec<u8> {
    let trivy = json!({
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.72.0"},
        "CreatedAt": hours_ago(database - 1),
        "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}, "ImageID": config, "DiffIDs": [layer]},
        "Results": [{"Class": "os-pkgs", "Type": "debian", "Packages": [], "Vulnerabilities": findings}],
    });
    let arguments =
        "image --ignorefile /dev/null --format json --skip-db-update --platform P 127.0.0.1/web@D";
    let arguments = arguments.split(' ').map(str::to_owned).collect();
    let database = Database { digest: None, updated_at: hours_ago(database), version: 2 };
    let tool = Tool { name: "trivy".to_owned(), version: "0.72.0".to_owned() };
    let platform = "linux/amd64".parse().unwrap();
    ScanReport::new(tool, database, arguments, platform, trivy.to_string().into_bytes()).encode()
}

/// A finding with a fix, as Trivy writes it.
pub(crate) fn finding(id: &str, severity: &str, title: &str) -> Value {
    json!({
        "VulnerabilityID": id, "PkgName": "openssl", "InstalledVersion": "3.0.11-1", "Severity": severity,
        "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.11-1?distro=debian-12.5"}, "FixedVersion": "3.0.12-1",
        "Title": title,
    })
}

fn hours_ago(hours: i64) -> Timestamp {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(elapsed.as_secs()).unwrap() - hours * 3600).unwrap()
}
