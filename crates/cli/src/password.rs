//! Passwords: read without showing them, sent only as the SHA-512 that the API wants, never printed.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sha2::{Digest, Sha512};

use crate::error::ClientError;

/// Longest password that is read, in bytes.
const MAX_BYTES: usize = 4096;

/// SHA-512 as lower-case hex: the form in which the API takes passwords.
pub fn hashed(password: &str) -> String {
    Sha512::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of a password: the first line of `file` (`-`: stdin), else asked for on the terminal, else the
/// first line of stdin. `again` asks twice on a terminal.
pub fn obtain(file: Option<&Path>, prompt: &str, again: bool) -> Result<String, ClientError> {
    let password = match file {
        Some(path) if path != Path::new("-") => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| ClientError::local(format!("{} can not be read: {e}", path.display())))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None if std::io::stdin().is_terminal() => {
            let first = ask(prompt)?;
            if again && ask("Again: ")? != first {
                return Err(ClientError::usage("the two passwords differ"));
            }
            first
        }
        _ => first_line(std::io::stdin().lock())?,
    };
    if password.is_empty() { Err(ClientError::usage("the password is empty")) } else { Ok(hashed(&password)) }
}

fn first_line(source: impl BufRead) -> Result<String, ClientError> {
    let mut line = String::new();
    source
        .take(MAX_BYTES as u64)
        .read_line(&mut line)
        .map_err(|e| ClientError::local(format!("stdin can not be read: {e}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal without echo; as it was when dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut silent = before.clone();
        // Key by key and without signals: Ctrl-C must not leave the terminal silent.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn ask(prompt: &str) -> Result<String, ClientError> {
    let mut err = std::io::stderr();
    let _ = write!(err, "{prompt}").and_then(|()| err.flush());
    let typed = {
        let _silent = Silent::begin().map_err(|e| {
            ClientError::local(format!("the terminal can not be silenced: {e}; use --password-file"))
        })?;
        typed(std::io::stdin().lock())
    };
    let _ = writeln!(err);
    typed
}

/// Keys up to Enter; backspace and Ctrl-U erase.
fn typed(source: impl BufRead) -> Result<String, ClientError> {
    let mut bytes = Vec::new();
    for byte in source.bytes().take(MAX_BYTES) {
        match byte.map_err(|e| ClientError::local(format!("the terminal can not be read: {e}")))? {
            b'\r' | b'\n' => break,
            0x03 | 0x04 => return Err(ClientError::local("no password was given")),
            0x15 => bytes.clear(),
            0x08 | 0x7f => while bytes.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| ClientError::usage("the password is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_as_its_sha_512() {
        assert_eq!(
            hashed("password"),
            "b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb980b1d7785e5976ec049b46df5f1326af5a2ea6d103fd07c95385ffab0cacbc86"
        );
    }

    #[test]
    fn backspace_takes_back_a_whole_character_and_ctrl_c_ends_the_question() {
        assert_eq!(typed("ab\u{e9}\u{7f}c\r".as_bytes()), Ok("abc".to_owned()));
        assert_eq!(typed("ab\u{15}x\n".as_bytes()), Ok("x".to_owned()));
        assert!(typed("ab\u{3}".as_bytes()).is_err());
    }

    #[test]
    fn only_the_first_line_counts_and_its_end_does_not() {
        assert_eq!(first_line("secret\r\nmore".as_bytes()), Ok("secret".to_owned()));
        assert_eq!(first_line(" two words ".as_bytes()), Ok(" two words ".to_owned()));
    }
}
