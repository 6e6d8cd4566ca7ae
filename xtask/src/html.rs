//! Text for a page.

/// The text with what HTML and Markdown take for themselves written otherwise.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '*' => escaped += "&#42;",
            '_' => escaped += "&#95;",
            '[' => escaped += "&#91;",
            ']' => escaped += "&#93;",
            '|' => escaped += "&#124;",
            letter => escaped.push(letter),
        }
    }
    escaped
}
