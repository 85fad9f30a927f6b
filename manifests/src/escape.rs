//! Text from outside, made harmless for a terminal and a log.

/// `text` with control characters, invisible ones and direction marks written as `\u{..}`: a name upstream could
/// otherwise move the cursor, colour a refusal green, reverse a line, or look like another name.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    shown
}

fn is_harmless(character: char) -> bool {
    !character.is_control() && !is_separator(character) && !is_invisible(character)
}

/// Ends a line or a paragraph, or stands between a text and an annotation of it.
const fn is_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
}

/// Shows nothing and may change what is around it: what Unicode calls `Default_Ignorable_Code_Point`, and the direction
/// marks among those.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        for range in [
            '\u{ad}'..='\u{ad}',
            '\u{34f}'..='\u{34f}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{17b4}'..='\u{17b5}',
            '\u{180b}'..='\u{180f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{ffa0}'..='\u{ffa0}',
            '\u{fff0}'..='\u{fffb}',
            '\u{1bca0}'..='\u{1bca3}',
            '\u{1d173}'..='\u{1d17a}',
            '\u{e0000}'..='\u{e0fff}',
        ] {
            for character in range {
                let shown = escape(&format!("web{character}:1"));
                assert_eq!(shown, format!("web{}:1", character.escape_unicode()));
            }
        }
        for seen in ["\u{5d0}\u{5d1}", "\u{fffd}", "\u{e9}", "\u{3163}\u{3165}", "\u{1f980}"] {
            assert_eq!(escape(seen), seen, "what can be seen stays");
        }
    }
}
