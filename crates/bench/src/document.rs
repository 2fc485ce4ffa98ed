//! The table in a document: between two comments that name it, so that a run replaces what the run before it wrote.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes `table` into the document, between the lines `<!-- bench: NAME -->` and `<!-- end of bench -->`.
///
/// # Errors
/// There are no such lines, or the file cannot be read or written; it is as it was then.
pub fn write(path: &Path, name: &str, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let begin = format!("<!-- bench: {name} -->\n");
    let text = replaced(&text, &begin, table)
        .with_context(|| format!("{} has no lines {} and {END}", path.display(), begin.trim()))?;
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

const END: &str = "<!-- end of bench -->";

fn replaced(text: &str, begin: &str, table: &str) -> Option<String> {
    let from = text.find(begin)? + begin.len();
    let to = from + text[from..].find(END)?;
    Some(format!("{}\n{}\n\n{}", &text[..from], table.trim(), &text[to..]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_stands_between_the_lines_of_that_name_is_replaced() {
        let text = "a\n<!-- bench: x -->\nold\n<!-- end of bench -->\n<!-- bench: y -->\nkept\n<!-- end of bench -->\n";
        let once = super::replaced(text, "<!-- bench: x -->\n", "new\n").unwrap();
        assert_eq!(
            once,
            "a\n<!-- bench: x -->\n\nnew\n\n<!-- end of bench -->\n<!-- bench: y -->\nkept\n<!-- end of bench -->\n"
        );
        assert_eq!(super::replaced(&once, "<!-- bench: x -->\n", "new\n"), Some(once.clone()));
        assert_eq!(super::replaced(text, "<!-- bench: z -->\n", "new\n"), None);
    }
}
