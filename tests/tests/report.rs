//! The HTML report in a browser: what it shows, and that nothing in it loads or runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use fixtures::registry::{Options, Registry};
use fixtures::upstream;
use manifests::Timestamp;
use tests::alpine;
use tests::desk::Desk;

/// What an exception of the policy says, and what would show in the title if it ran.
const HOSTILE: &str = "<script>document.title=1</script>";

/// A desk with `report.html` on an archive of one image, which nobody signed, and where the image came from.
fn reported() -> (Desk, Registry) {
    let upstream = upstream::start(Options::default()).unwrap();
    let desk = Desk::new();
    desk.define("core", &format!("images: [{{ref: \"{}/demo/web:2.0.1\"}}]", upstream.host()));
    desk.archive("core");
    desk.write(
        "strict.yaml",
        format!(
            "apiVersion: airgap/v1\nkind: Policy\nspec:\n  signatures:\n    - {{match: \"**\", accept: unsigned, reason: \
             '{HOSTILE}', owner: 'the <b>team</b>', until: 2999-01-01}}\n"
        ),
    );
    desk.run("airgap-bundle report core.tar --policy strict.yaml --key build-1.pub -o report.html");
    upstream.forget_requests();
    (desk, upstream)
}

/// What a browser makes of a page, and what it logs.
fn shown(desk: &Desk, page: &str) -> (String, String) {
    let url = format!("file://{}", desk.path(page).display());
    desk.ends(&format!("{} --enable-logging=stderr --dump-dom {url}", chromium(desk)), 0)
}

/// Without a sandbox, which root has none of.
fn chromium(desk: &Desk) -> String {
    let profile = desk.path(".chromium");
    format!(
        "chromium --headless --no-sandbox --disable-gpu --no-first-run --user-data-dir={}",
        profile.display()
    )
}

#[test]
fn a_browser_shows_the_report_as_it_was_written() {
    let (desk, _upstream) = reported();
    let (dom, log) = shown(&desk, "report.html");
    for wanted in [
        "PASSED: nothing is against it",
        "demo/web:2.0.1",
        "&lt;script&gt;document.title=1",
        "preparer as preparer",
    ] {
        assert!(dom.contains(wanted), "{wanted}: {dom}");
    }
    assert!(dom.contains("<title>Report on core, serial ") && !dom.contains("<script"), "{dom}");
    // The style is inline too: its digest stands in the policy, and a browser says when it does not agree.
    assert!(!log.contains("Content Security Policy"), "{log}");
    desk.run(&format!(
        "{} --print-to-pdf=report.pdf file://{}",
        chromium(&desk),
        desk.path("report.html").display()
    ));
    assert!(desk.read("report.pdf").starts_with(b"%PDF-"));
}

/// Should something get into a page all the same, its content security policy stops it.
#[test]
fn a_browser_runs_and_loads_nothing_that_was_put_into_a_report() {
    let (desk, upstream) = reported();
    let host = upstream.host();
    let page = String::from_utf8(desk.read("report.html")).unwrap();
    let injected = format!(
        "<script>document.title='ran'</script><img src=\"http://{host}/x\" onerror=\"document.title='ran'\">\
         <link rel=\"stylesheet\" href=\"http://{host}/y\"><iframe src=\"http://{host}/z\"></iframe><style>body {{}}</style></main>"
    );
    desk.write("injected.html", page.replace("</main>", &injected));
    let (dom, log) = shown(&desk, "injected.html");
    assert!(dom.contains("<title>Report on core, serial "), "{dom}");
    assert!(log.matches("Content Security Policy").count() >= 4, "{log}");
    assert_eq!(upstream.requests().len(), 0, "the page loaded something");

    // Without the policy it would have run: the test can fail.
    let open = page.replace("Content-Security-Policy", "x").replace("</main>", &injected);
    desk.write("open.html", open);
    let (dom, _) = shown(&desk, "open.html");
    assert!(dom.contains("<title>ran</title>") && !upstream.requests().is_empty(), "{dom}");
}

/// Writes `policy.yaml`: no High but for one that an exception names, which would load something, were it markup.
fn write_policy(desk: &Desk, host: &str) {
    let soon = Timestamp::plus_seconds(alpine::now().parse().unwrap(), 30 * 86_400).unwrap().to_string();
    let until = soon.split('T').next().unwrap();
    desk.write(
        "policy.yaml",
        format!(
            "apiVersion: airgap/v1\nkind: Policy\nspec:\n  vulnerabilities:\n    high: deny\n    exceptions: [{{id: CVE-2026-0002, \
             package: \"pkg:apk/alpine/busybox\", match: \"**\", owner: 'the <img src=\"http://{host}/owner\">', statement: \
             '{HOSTILE}', until: {until}}}]\n",
        ),
    );
}

/// Makes the archive `NAME` of images, each by its name and the busybox that is in it.
fn scanned(desk: &Desk, upstream: &Registry, images: &[(&str, &str)], name: &str) {
    for (image, busybox) in images {
        let content = alpine::image("linux/amd64", "3.23.0", busybox);
        content.put(upstream.store(), &format!("demo/{image}"), Some("1")).unwrap();
    }
    let host = upstream.host();
    let images = images.iter().map(|(image, _)| format!("{{ref: \"{host}/demo/{image}:1\"}}"));
    let images = images.collect::<Vec<_>>().join(", ");
    desk.define("core", &format!("platforms: [linux/amd64], images: [{images}]"));
    desk.run("airgap-bundle lock core.yaml --quiet --policy policy.yaml --trivy-cache cache --trivy-offline");
    desk.run(&format!("airgap-bundle build core.yaml --key build-1.key -o {name} --quiet"));
}

/// A site that has an archive inside, and `second.html` on the next: that brings a finding that is new and refused, and
/// one as before, under an exception; its officer approved it and left an image out. Gives the registry that markup in
/// their texts would ask, and the image that was left out.
fn arrived() -> (Desk, Registry, String) {
    let (desk, upstream) = (Desk::new(), Registry::start(Options::default()).unwrap());
    let host = upstream.host();
    write_policy(&desk, &host);
    desk.site_with_officer("sovereign");
    alpine::database(&desk, "cache", &alpine::now());
    scanned(&desk, &upstream, &[("app", "1.37.0-r1")], "first.tar");
    desk.run("airgap-import approve first.tar --state sovereign --key officer-1.key");
    desk.run("airgap-import load first.tar --state sovereign --to content --quiet");

    scanned(&desk, &upstream, &[("app", "1.37.0-r0"), ("old", "1.37.0-r2")], "second.tar");
    let old = format!("{host}/demo/old:1");
    // In the DMZ, where nothing is judged, so that it comes to the site.
    desk.write("lax.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {}\n");
    desk.run(&format!(
        "airgap-import approve second.tar --trust trust.yaml --policy lax.yaml --key officer-1.key --exclude {old} --reason \
         <img/src=http://{host}/reason> --change CHG-7<script>document.title='ran'</script>"
    ));
    let (_, said) = desk.ends("airgap-import report second.tar --state sovereign -o second.html", 3);
    assert!(said.contains("CVE-2026-0001"), "{said}");
    upstream.forget_requests();
    (desk, upstream, old)
}

/// The text of the one row of a page that has these words in it, its cells apart by `|`.
fn row(dom: &str, words: &str) -> String {
    let rows = dom.split("<tr>").filter_map(|row| row.split("</tr>").next());
    let rows: Vec<&str> = rows.filter(|row| row.contains(words)).collect();
    let [row] = rows[..] else { panic!("found {} rows with {words}: {dom}", rows.len()) };
    let row = row.replace("</td>", "|");
    row.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect()
}

#[test]
fn a_browser_shows_what_arrived_and_asks_for_nothing() {
    let (desk, upstream, old) = arrived();
    let (dom, log) = shown(&desk, "second.html");
    for wanted in [
        "REFUSED: 1 reason against it</p>",
        "Against it (1)",
        "<p>security-officer: 1 of 1</p>",
        "Left out (1)",
        "new since the archive before: 1 critical, 0 high, 0 medium, 0 low, 0 unknown",
    ] {
        assert!(dom.contains(wanted), "{wanted}: {dom}");
    }
    let new = row(&dom, "CVE-2026-0001</bdi></b>");
    assert!(new.contains("|critical|") && new.contains("|NEW|REFUSED|"), "{new}");
    let known = row(&dom, "CVE-2026-0002</bdi></b>");
    assert!(known.contains("|high|") && known.contains("|as before|warning (!)|"), "{known}");
    assert!(known.contains("|high.fixed: deny; accepted by the &lt;img src="), "{known}");
    let exception = row(&dom, "vulnerabilities.exceptions[0]</td>");
    assert!(exception.contains("the &lt;img") && exception.contains("|holds|"), "{exception}");
    let approval = row(&dom, "CHG-7");
    assert!(approval.starts_with("officer-1|security-officer|approved|CHG-7&lt;script&gt;"), "{approval}");
    let left_out = row(&dom, "reason&gt;");
    assert!(left_out.starts_with(&format!("{old}|officer-1|-|&lt;img/src=")), "{left_out}");
    assert!(row(&dom, &format!("{old}</td><td>image</td>")).contains("|left out|"), "{dom}");

    for tag in dom.split('<').skip(1).filter_map(|piece| piece.split('>').next()) {
        let is_loaded =
            ["script", "img", "iframe", "link", "object", "embed"].iter().any(|name| tag.starts_with(name));
        assert!(!is_loaded && !tag.contains(" src=") && !tag.contains(" href="), "{tag}: {dom}");
    }
    assert!(
        dom.contains("<title>Report on core, serial ") && !log.contains("Content Security Policy"),
        "{log}"
    );
    assert_eq!(upstream.requests().len(), 0, "the page loaded something");
}
