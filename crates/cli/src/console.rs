//! What a command prints: tables or JSON on stdout, words for people on stderr; of a failure, JSON where JSON was asked
//! for. A reader that went away (`| head`) is no failure. Text that others chose can not steer the terminal.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::error::ClientError;
use crate::exit::Exit;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people: columns, humanised sizes.
    #[default]
    Table,
    /// For programs: the API's objects, exact numbers.
    Json,
}

/// Stdout and stderr of a command.
pub struct Console {
    /// How results are printed.
    pub format: Format,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
}

impl Console {
    /// On the process's own streams.
    pub fn of_process(format: Format) -> Self {
        Self::new(format, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// On any streams.
    pub fn new(format: Format, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self { format, out, err }
    }

    /// A line of the result.
    ///
    /// # Errors
    /// Stdout can not be written, and not because its reader went away.
    pub fn line(&mut self, text: &str) -> Result<(), ClientError> {
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(ClientError::local(format!("stdout can not be written: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// A line for people, beside the result.
    pub fn note(&mut self, text: &str) {
        // There is nowhere left to tell that stderr is gone.
        let _ = writeln!(self.err, "{text}");
    }

    /// A failure: words, or for programs one line of JSON, the last one of stderr.
    pub fn error(&mut self, error: &ClientError, advice: Option<&str>, exit: Exit) {
        match self.format {
            Format::Table => self.note(&error.told_with(advice)),
            Format::Json => self.note(&error.json(advice, exit).to_string()),
        }
    }

    /// JSON, indented.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn json(&mut self, value: &Value) -> Result<(), ClientError> {
        self.line(&format!("{value:#}"))
    }

    /// `value` as JSON, or a table of `rows` below `header`.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn rows(
        &mut self,
        value: &Value,
        header: &[&str],
        rows: Vec<Vec<String>>,
    ) -> Result<(), ClientError> {
        match self.format {
            Format::Json => self.json(value),
            Format::Table => self.line(&table(header, rows)),
        }
    }

    /// `value` as JSON, or lines of a name and what it is; empty ones are left out.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn facts(&mut self, value: &Value, facts: &[(&str, String)]) -> Result<(), ClientError> {
        if self.format == Format::Json {
            return self.json(value);
        }
        let told: Vec<_> = facts.iter().filter(|(_, what)| !what.is_empty()).collect();
        let width = told.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, what) in told {
            self.line(&format!("{name:width$}  {}", printable(what)))?;
        }
        Ok(())
    }

    /// `value` as JSON, or a sentence.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn done(&mut self, value: &Value, sentence: &str) -> Result<(), ClientError> {
        match self.format {
            Format::Json => self.json(value),
            Format::Table => self.line(&printable(sentence)),
        }
    }
}

/// Columns of text, the header in capitals.
fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|h| h.to_uppercase()));
    for column in 0..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_padding((0, 2));
        }
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    table.trim_fmt()
}

/// Without control characters, which others could steer our terminal with.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_borders_and_no_trailing_spaces() {
        let rows =
            vec![vec!["1".to_owned(), "a\nb\u{1b}[2J".to_owned()], vec!["22".to_owned(), String::new()]];
        assert_eq!(table(&["id", "name"], rows), "ID  NAME\n1   a b\u{fffd}[2J\n22");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut console = Console::new(Format::Table, Box::new(Gone), Box::new(io::sink()));
        assert_eq!(console.line("x"), Ok(()));
    }
}
