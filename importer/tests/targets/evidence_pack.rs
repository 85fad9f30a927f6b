//! What a site keeps of an archive, to the byte.

use std::fs;

use manifests::Digest;

use crate::support::{Brought, Site, small_image, text};

#[test]
fn what_is_kept_is_the_archive_up_to_its_content_or_the_end_of_the_tar() {
    let image = small_image("base", "web");
    let items = || vec![Brought::new("ghcr.io/demo/web:1", &image)];
    let layers: Vec<Digest> = image.blobs()[1..].iter().map(fixtures::image::Blob::digest).collect();
    for is_piped in [false, true] {
        let site = Site::new();
        let whole = site.archive(3, items());
        let base = site.identity(&whole);
        let archives = [
            (whole, true),
            (site.differential(4, items(), base, &layers), false),
            (site.archive(5, vec![]), false),
        ];
        for (archive, has_content) in archives {
            let bytes = fs::read(&archive).unwrap();
            let first = format!("blobs/sha256/{}", layers[0].hex());
            let first = bytes.windows(first.len()).position(|window| window == first.as_bytes());
            let end = first.filter(|_| has_content).unwrap_or(bytes.len() - 1024);
            let (spool, to) = (text(site.folder.path()), text(&site.path("content")));
            if is_piped {
                site.succeed_piped(&archive, &["verify", "-"]);
                site.succeed_piped(&archive, &["load", "-", "--spool", &spool, "--to", &to]);
            } else {
                site.load(&archive, to.as_ref());
            }
            let identity = site.identity(&archive);
            let kept = site.path("state/evidence").join(identity.hex()).join("evidence.tar");
            let kept = fs::read(kept).unwrap();
            assert!(kept == bytes[..end], "piped: {is_piped}: found {} bytes, wanted {end}", kept.len());
        }
        site.succeed(&["receipt", "verify"]);
    }
}
