//! Lists of images, as Kubernetes distributions publish them: one reference a line.

use std::collections::BTreeSet;

use manifests::Reference;

/// Most images in one list; RKE2 lists some 60, a whole OpenShift mirror 2,000.
const LINES: usize = 20_000;

/// Reads a list. `#` begins a comment; a reference that stands twice counts once.
///
/// # Errors
/// Every line that is not a reference, with its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Reference>, Vec<String>> {
    // Windows editors put a byte order mark before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut seen = BTreeSet::new();
    let mut references = Vec::new();
    let mut errors = Vec::new();
    for (at, line) in text.lines().enumerate() {
        // A reference has no `#` and no space.
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if at >= LINES {
            errors.push(format!("found more than {LINES} lines, wanted fewer"));
            break;
        }
        match line.parse::<Reference>() {
            Ok(reference) if seen.insert(reference.clone()) => references.push(reference),
            Ok(_) => {}
            Err(error) => errors.push(format!("line {}: {error}", at + 1)),
        }
    }
    if errors.is_empty() && references.is_empty() {
        errors.push("found no reference, wanted one a line".to_owned());
    }
    if errors.is_empty() { Ok(references) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blank_lines_and_duplicates_are_left_out() {
        let text =
            "\u{feff}# RKE2\r\npause:3.10\r\n\n  docker.io/library/pause:3.10 # the same\nghcr.io/a/b:1\n";
        let read: Vec<String> = parse(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(read, ["docker.io/library/pause:3.10", "ghcr.io/a/b:1"]);
    }

    #[test]
    fn every_line_that_is_no_reference_is_named() {
        let errors = parse("a:1\nhttps://b\nC\n").unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].starts_with("line 2: ") && errors[1].starts_with("line 3: "), "{errors:?}");
        assert!(parse("# nothing\n").is_err(), "a list of nothing is a mistake");
    }
}
