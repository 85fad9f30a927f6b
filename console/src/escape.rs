//! Text from outside, made harmless for a terminal and a log.

/// `text` with control characters and invisible direction marks written as `\u{..}`: a name upstream could
/// otherwise move the cursor, colour a refusal green or reverse a line.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    shown
}

fn is_harmless(character: char) -> bool {
    let steers = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !steers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_cannot_be_steered() {
        assert_eq!(escape("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(escape("safe\u{202e}gpj.exe"), "safe\\u{202e}gpj.exe");
        assert_eq!(escape("\u{61c}tag\u{e0041}"), "\\u{61c}tag\\u{e0041}");
        assert_eq!(escape("Größe 3.1 µm"), "Größe 3.1 µm");
    }
}
