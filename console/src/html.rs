//! Writing HTML in which only the program's own text is markup.
//!
//! Markup is `'static`: nothing that comes from an archive, a policy or a report can be handed in as such. All other
//! text is escaped, for HTML and for the eye.

use std::fmt::Display;

use crate::escape::escape;

/// A document under construction.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Adds markup of the program's own.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, which stays text inside an element and inside a quoted attribute.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        for character in escape(&text.to_string()).chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '`' => self.0.push_str("&#96;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Adds text between two pieces of markup.
    pub fn put(&mut self, before: &'static str, text: impl Display, after: &'static str) -> &mut Self {
        self.markup(before).text(text).markup(after)
    }

    /// Adds text of others between two pieces of markup, where something else stands beside it: letters that are read
    /// from right to left turn nothing around but themselves.
    pub fn put_isolated(
        &mut self,
        before: &'static str,
        text: impl Display,
        after: &'static str,
    ) -> &mut Self {
        self.markup(before).put("<bdi>", text, "</bdi>").markup(after)
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        for (text, wanted) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onclick=\"x", "&quot; onclick=&quot;x"),
            ("' autofocus '", "&#39; autofocus &#39;"),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("safe\u{202e}gpj", "safe\\u{202e}gpj"),
            ("a\u{0}b\r\n", "a\\u{0}b\\u{d}\\u{a}"),
            ("Größe", "Größe"),
        ] {
            let mut html = Html::default();
            html.put("<p title=\"", text, "\">");
            assert_eq!(html.finish(), format!("<p title=\"{wanted}\">"), "{text:?}");
        }
    }
}
