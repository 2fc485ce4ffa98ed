//! The URL of a web hook: what one must be, and where it leads. Which addresses may be connected to is
//! `egress`'s to say.

use std::net::{IpAddr, SocketAddr};

use base64ct::{Base64, Encoding};
use reqwest::Url;

/// Longest URL of a web hook, in bytes.
pub const URL_MAX_BYTES: usize = 2048;

/// A URL that can be called. It is shown without its credentials, path and query, which may hold secrets.
#[derive(Clone)]
pub struct Target(Url);

impl Target {
    /// Reads the value of `X-Web-Hook`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let target = Self::read(text)?;
        if target.is_secure() {
            return Err("https URLs cannot be called in this release; give an http URL, of a proxy that speaks TLS if \
                        need be"
                .to_owned());
        }
        Ok(target)
    }

    /// Reads the URL of something to fetch, which may be https.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_download(text: &str) -> Result<Self, String> {
        Self::read(text)
    }

    fn read(text: &str) -> Result<Self, String> {
        if text.len() > URL_MAX_BYTES {
            return Err(format!("the URL has {} bytes, more than {URL_MAX_BYTES}", text.len()));
        }
        let url = Url::parse(text.trim()).map_err(|error| {
            format!("it must be a URL as http://receiver.example:9000/path in ASCII, but: {error}")
        })?;
        match url.scheme() {
            "http" | "https" => {}
            other => return Err(format!("the URL must begin with http://, not with {other}:")),
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err("the URL must name a host and, if any, a port from 1 to 65535".to_owned());
        }
        Ok(Self(url))
    }

    /// The host, in lower case, without brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// Whether TLS is to be spoken.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL that a redirect from here leads to, if it is one.
    pub fn join(&self, to: &str) -> Option<String> {
        self.0.join(to).ok().map(Into::into)
    }

    /// The address, where the URL names one; `127.1` and `0x7f000001` name one too.
    pub fn address(&self) -> Option<SocketAddr> {
        self.host().parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port()))
    }

    /// Path and query, as the request line has them.
    pub fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }

    /// The value of `Host`.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The value of `Authorization`, where the URL has a user or a password.
    pub fn authorization(&self) -> Option<String> {
        let (user, password) = (self.0.username(), self.0.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let clear = format!("{}:{}", unescaped(user), unescaped(password.unwrap_or_default()));
        Some(format!("Basic {}", Base64::encode_string(clear.as_bytes())))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}/", self.0.scheme(), self.authority())
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({self})")
    }
}

/// `%41` as `A`; what is no escape stays.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (*byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn a_url_says_where_it_leads() {
        let plain = target(" http://Receiver.Example/hooks/a%20b?token=1#part ");
        assert_eq!((plain.host(), plain.port(), plain.address()), ("receiver.example", 80, None));
        assert_eq!(plain.path_and_query(), "/hooks/a%20b?token=1");
        assert_eq!((plain.authority().as_str(), plain.authorization()), ("receiver.example", None));
        let v6 = target("http://[::1]:9000");
        assert_eq!((v6.host(), v6.authority().as_str()), ("::1", "[::1]:9000"));
        assert_eq!((v6.address(), v6.path_and_query().as_str()), (Some("[::1]:9000".parse().unwrap()), "/"));
    }

    #[test]
    fn an_address_in_disguise_is_that_address() {
        for disguise in ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "%31%32%37.0.0.1"] {
            let found = target(&format!("http://{disguise}:80/")).address();
            assert_eq!(found, Some("127.0.0.1:80".parse().unwrap()), "{disguise}");
        }
    }

    #[test]
    fn credentials_are_sent_and_never_shown() {
        let target = target("http://me:p%40ss@h:81/hook/secret?key=secret");
        assert_eq!(target.authorization().as_deref(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(target.to_string(), "http://h:81/");
        assert_eq!(format!("{target:?}"), "Target(http://h:81/)");
        assert_eq!(target.authority(), "h:81");
    }

    #[test]
    fn a_download_may_be_over_tls_and_a_call_may_not() {
        let secure = Target::of_download("https://H.example/a?b").unwrap();
        assert_eq!((secure.host(), secure.port(), secure.is_secure()), ("h.example", 443, true));
        assert_eq!(
            (secure.to_string(), secure.join("/c")),
            ("https://h.example/".to_owned(), Some("https://h.example/c".to_owned()))
        );
        assert!(!Target::of_download("http://h/").unwrap().is_secure());
        assert!(Target::parse("https://h/").is_err());
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_what_it_must_be() {
        for (wrong, told) in [
            ("", "http://receiver.example"),
            ("nonsense", "http://receiver.example"),
            ("/path", "http://receiver.example"),
            ("http://", "http://receiver.example"),
            ("https://h/", "https"),
            ("ftp://h/", "http://, not with ftp:"),
            ("file:///etc/passwd", "http://, not with file:"),
            ("http://h:0/", "port from 1"),
            ("http://h:65536/", "http://receiver.example"),
            ("http://1.2.3.4.5/", "http://receiver.example"),
        ] {
            let refused = Target::parse(wrong).map(|t| t.to_string()).unwrap_err();
            assert!(refused.contains(told), "{wrong}: {refused}");
        }
        let long = format!("http://h/{}", "a".repeat(URL_MAX_BYTES));
        assert!(Target::parse(&long).is_err_and(|e| e.contains("2048")));
        assert!(Target::parse(&long[..URL_MAX_BYTES]).is_ok());
    }
}
