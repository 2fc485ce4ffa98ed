//! Where the database is: a `postgres://` URL, with what of it is ours and not the driver's. `sslmode` means
//! what it means to psql.

use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::open::OpenError;

/// How much the server's certificate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any certificate: the line is encrypted, to whomever.
    Any,
    /// One that the authorities signed, whatever name it has.
    Authorities,
    /// One that the authorities signed for that host.
    Host,
}

/// A URL, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub config: Config,
    pub trust: Trust,
    /// `sslrootcert`: a PEM file of authorities; the system's where there is none.
    pub authorities: Option<PathBuf>,
    /// `pooler=transaction`: connections change from one transaction to the next, so nothing is kept in a session.
    pub pooled: bool,
}

/// Reads a URL. Its password is in no error.
pub(super) fn parse(url: &str) -> Result<Address, OpenError> {
    let wrong = |why: String| OpenError::Url { why };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("it does not begin with postgres://".to_owned()));
    }
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let mut address = Address { config: Config::new(), trust: Trust::Any, authorities: None, pooled: false };
    let mut mode = SslMode::Prefer;
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("sslmode", "disable") => mode = SslMode::Disable,
            ("sslmode", "prefer" | "allow") => mode = SslMode::Prefer,
            ("sslmode", "require") => mode = SslMode::Require,
            ("sslmode", "verify-ca") => (mode, address.trust) = (SslMode::Require, Trust::Authorities),
            ("sslmode", "verify-full") => (mode, address.trust) = (SslMode::Require, Trust::Host),
            ("sslmode", other) => {
                return Err(wrong(format!(
                    "sslmode={other} is not known; there are disable, prefer, require, verify-ca and verify-full"
                )));
            }
            ("sslrootcert", "system") => {}
            ("sslrootcert", path) => address.authorities = Some(PathBuf::from(unescaped(path))),
            ("pooler", "transaction") => address.pooled = true,
            ("pooler", "session" | "none") => {}
            ("pooler", other) => {
                return Err(wrong(format!("pooler={other} is not known; there are transaction and session")));
            }
            _ => others.push(pair),
        }
    }
    // As in psql: who names authorities wants them asked.
    if mode == SslMode::Require && address.trust == Trust::Any && address.authorities.is_some() {
        address.trust = Trust::Authorities;
    }
    let separator = if others.is_empty() { "" } else { "?" };
    let rest = format!("{place}{separator}{}", others.join("&"));
    address.config = Config::from_str(&rest).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        wrong(cause.unwrap_or_else(|| error.to_string()))
    })?;
    address.config.ssl_mode(mode);
    if address.config.get_application_name().is_none() {
        address.config.application_name("longhaul");
    }
    Ok(address)
}

/// `%XX` as the byte that it names.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_means_what_it_means_to_psql() {
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Any),
            ("?sslmode=disable", SslMode::Disable, Trust::Any),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Any),
            ("?sslmode=require", SslMode::Require, Trust::Any),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Trust::Authorities),
            ("?sslmode=verify-ca", SslMode::Require, Trust::Authorities),
            ("?sslmode=verify-full&sslrootcert=/a%20b.pem", SslMode::Require, Trust::Host),
        ] {
            let address = parse(&format!("postgres://me:secret@db.example:5433/jobs{query}")).expect("read");
            assert_eq!((address.config.get_ssl_mode(), address.trust), (mode, trust), "{query}");
            assert_eq!(address.config.get_ports(), [5433]);
        }
        let address = parse("postgres://h/d?sslmode=verify-full&sslrootcert=/a%20b.pem").expect("read");
        assert_eq!(address.authorities, Some(PathBuf::from("/a b.pem")));
    }

    #[test]
    fn what_is_the_drivers_reaches_it_and_a_pooler_is_ours() {
        let url = "postgres://h1,h2/d?pooler=transaction&target_session_attrs=read-write&connect_timeout=3";
        let address = parse(url).expect("read");
        assert!(address.pooled);
        assert_eq!(address.config.get_hosts().len(), 2);
        assert!(!parse("postgres://h/d").expect("read").pooled);
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_its_password() {
        for url in [
            "mysql://me:secret@h/d",
            "postgres://me:secret@h/d?sslmode=maybe",
            "postgres://me:secret@h/d?pooler=statement",
            "postgres://me:secret@h:port/d",
            "postgres://me:secret@h/d?unheard_of=1",
        ] {
            let said = parse(url).expect_err(url).to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
