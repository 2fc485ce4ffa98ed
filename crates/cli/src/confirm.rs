//! The question before something is gone for good: asked on a terminal, and answered by a flag elsewhere, so that no
//! script waits for a keyboard.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::ClientError;
use crate::run::Context;

/// Whether to go on: `flag` was given, or a person says so now. `what` is what would happen, as "delete 3 items".
///
/// # Errors
/// Nobody can be asked and the flag was not given.
pub fn agreed(context: &mut Context, given: bool, what: &str, flag: &str) -> Result<bool, ClientError> {
    if given {
        return Ok(true);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let agreed = ask(what, flag, terminal, &mut std::io::stdin().lock(), &mut std::io::stderr())?;
    if !agreed {
        context.console.note("nothing was done");
    }
    Ok(agreed)
}

fn ask(
    what: &str,
    flag: &str,
    terminal: bool,
    input: &mut dyn BufRead,
    screen: &mut dyn Write,
) -> Result<bool, ClientError> {
    if !terminal {
        return Err(ClientError::usage(format!(
            "this would {what}; there is no terminal to ask at, so say {flag}"
        )));
    }
    let _ = write!(screen, "This would {what}. Go on? [y/N] ").and_then(|()| screen.flush());
    let mut said = String::new();
    input
        .read_line(&mut said)
        .map_err(|e| ClientError::local(format!("the keyboard cannot be read: {e}; say {flag}")))?;
    Ok(["y", "yes"].contains(&said.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_person_is_asked_and_only_yes_is_yes() {
        for (said, agreed) in [("y\n", true), ("Yes\n", true), ("\n", false), ("n\n", false), ("", false)] {
            let mut screen = Vec::new();
            assert_eq!(
                ask("delete 2 items", "--yes", true, &mut said.as_bytes(), &mut screen),
                Ok(agreed),
                "{said}"
            );
            assert_eq!(screen, b"This would delete 2 items. Go on? [y/N] ");
        }
    }

    #[test]
    fn a_script_is_told_what_to_say_and_does_not_wait_for_a_keyboard() {
        let error =
            ask("delete 2 items", "--yes", false, &mut "y\n".as_bytes(), &mut Vec::new()).expect_err("no");
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.details.contains("delete 2 items") && error.details.contains("--yes"), "{error}");
    }
}
