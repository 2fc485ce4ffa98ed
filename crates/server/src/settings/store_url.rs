//! Where a store on PostgreSQL is, and its password, which no log and no error shows. The rest of the URL is the
//! store's to understand.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The setting of the URL.
pub const KEY: &str = "store.url";
/// The setting of the file with the password.
pub const PASSWORD_FILE_KEY: &str = "store.passwordFile";
/// The port where a URL names none.
const PORT: &str = "5432";

/// A URL, with its password where there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    scheme: String,
    /// As written, still escaped; empty: the driver's default.
    user: String,
    /// Escaped.
    password: Option<String>,
    /// Hosts, database and parameters, as written.
    rest: String,
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.user.is_empty() { "" } else { "@" };
        write!(f, "{}://{}{at}{}", self.scheme, self.user, self.rest)
    }
}

impl StoreUrl {
    /// Reads a URL, and the password from where it is. `everybody_sees`: it was given on the command line, which
    /// everybody on the machine may read, so that it must have no password.
    ///
    /// # Errors
    /// It is no `postgres://` URL; its password is on the command line; the file of the password cannot be read.
    pub fn read(url: &str, everybody_sees: bool, password_file: Option<&Path>) -> Result<Self> {
        let mut url = Self::parse(url)?;
        if everybody_sees && url.password.is_some() {
            bail!(
                "a password on the command line is seen by everybody who lists processes; put it into a file that \
                 {PASSWORD_FILE_KEY} names or into a file of passwords (PGPASSFILE), or give the URL in the file of \
                 settings or as LONGHAUL_STORE"
            );
        }
        if url.password.is_none() {
            url.password = match password_file {
                Some(file) => Some(password_in(file)?),
                None => url.password_elsewhere(),
            }
            .map(|clear| escaped(&clear));
        }
        Ok(url)
    }

    fn parse(url: &str) -> Result<Self> {
        let Some((scheme @ ("postgres" | "postgresql"), rest)) = url.trim().split_once("://") else {
            bail!("it must be a URL as postgres://USER@HOST:PORT/DATABASE, or empty for the embedded store");
        };
        // What is behind the last `@` of the authority is the place: a password may have one that is not escaped.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (user, rest) = match rest[..end].rfind('@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => ("", rest),
        };
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned()).filter(|p| !p.is_empty())),
            None => (user, None),
        };
        let named = rest.split(['?', '&']).any(|pair| pair.starts_with("password="));
        if named {
            bail!(
                "its password must stand before the host, as in postgres://USER:PASSWORD@HOST, or in a file"
            );
        }
        Ok(Self { scheme: scheme.to_owned(), user: user.to_owned(), password, rest: rest.to_owned() })
    }

    /// The whole URL. For the store alone.
    pub fn with_password(&self) -> String {
        match &self.password {
            None => self.to_string(),
            Some(password) => format!("{}://{}:{password}@{}", self.scheme, self.user, self.rest),
        }
    }

    /// What `PGPASSWORD` says, or the file of passwords.
    fn password_elsewhere(&self) -> Option<String> {
        if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|p| !p.is_empty()) {
            return Some(password);
        }
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
        let file = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home)?;
        let text = std::fs::read_to_string(&file).ok()?;
        if !is_private(&file) {
            tracing::warn!(file = %file.display(), "the file of passwords is not used, since others may read it; chmod 0600");
            return None;
        }
        self.password_among(&text)
    }

    /// The password of the first line that is of this URL, as psql reads such files.
    fn password_among(&self, text: &str) -> Option<String> {
        let place = self.rest.split('?').next().unwrap_or_default();
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let first = hosts.split(',').next().unwrap_or_default();
        let (host, port) = match first.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (first, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let database = if database.is_empty() { &self.user } else { database };
        let wanted = [host, port, database, &self.user];
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = fields_of(line);
            let is_of = |(field, wanted): (&String, &&str)| field == "*" || field == wanted;
            let [known @ .., password] = fields.as_slice() else { return None };
            let fits = known.len() == wanted.len() && known.iter().zip(&wanted).all(is_of);
            fits.then(|| password.clone())
        })
    }
}

/// The fields of a line, at most five; `\\` takes the next character as it is.
fn fields_of(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            letter => letter,
        };
        if let Some(last) = fields.last_mut() {
            last.push(letter);
        }
    }
    fields
}

fn password_in(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{PASSWORD_FILE_KEY}: {} cannot be read", file.display()))?;
    if !is_private(file) {
        bail!("{PASSWORD_FILE_KEY}: others may read {}; chmod 0600 it", file.display());
    }
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains('\n') {
        bail!("{PASSWORD_FILE_KEY}: {} must hold the password and nothing else", file.display());
    }
    Ok(password.to_owned())
}

fn is_private(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o077 == 0)
}

/// As it stands in a URL.
fn escaped(clear: &str) -> String {
    let mut text = String::new();
    for byte in clear.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_nothing_that_is_shown() {
        let url =
            StoreUrl::read("postgres://me:se%40cret@h1:5433,h2/jobs?sslmode=require", false, None).unwrap();
        assert_eq!(url.to_string(), "postgres://me@h1:5433,h2/jobs?sslmode=require");
        assert_eq!(format!("{url:?}"), url.to_string());
        assert_eq!(url.with_password(), "postgres://me:se%40cret@h1:5433,h2/jobs?sslmode=require");
        for wrong in ["mysql://me:secret@h/d", "postgres:me:secret@h", "postgres://me@h/d?password=secret"] {
            let refused = format!("{:#}", StoreUrl::read(wrong, false, None).unwrap_err());
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_with_where_it_belongs() {
        let refused = StoreUrl::read("postgres://me:secret@h/d", true, None).unwrap_err().to_string();
        assert!(refused.contains("PGPASSFILE") && !refused.contains("secret@"), "{refused}");
        assert!(StoreUrl::read("postgres://me@h/d", true, None).is_ok());
    }

    #[test]
    fn the_password_comes_from_its_file_which_nobody_else_may_read() {
        let file = std::env::temp_dir().join(format!("longhaul-password-{}", std::process::id()));
        std::fs::write(&file, "a b/c\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let url = StoreUrl::read("postgres://me@h/d", true, Some(&file)).unwrap();
        assert_eq!(url.with_password(), "postgres://me:a%20b%2Fc@h/d");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = StoreUrl::read("postgres://me@h/d", true, Some(&file)).unwrap_err().to_string();
        assert!(refused.contains("0600"), "{refused}");
        std::fs::remove_file(&file).unwrap();
        assert!(StoreUrl::read("postgres://me@h/d", true, Some(&file)).is_err());
    }

    #[test]
    fn a_file_of_passwords_is_read_as_psql_reads_it() {
        let text = "# hosts\nother:*:*:*:no\ndb.example:5433:jobs:me:a\\:b:c\n*:*:*:you:last\n";
        let of = |url: &str| StoreUrl::parse(url).unwrap().password_among(text);
        assert_eq!(of("postgres://me@db.example:5433/jobs?sslmode=require").as_deref(), Some("a:b:c"));
        assert_eq!(of("postgres://me@db.example/jobs"), None, "another port");
        assert_eq!(of("postgres://you@anywhere/x").as_deref(), Some("last"));
    }
}
