//! The HTML report in a browser: what it shows, and that nothing in it loads or runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use fixtures::registry::{Options, Registry};
use fixtures::upstream;
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
