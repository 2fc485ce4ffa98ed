//! A checksum that somebody expects of bytes: how one is written. It is computed where the bytes come in.

/// What the bytes must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// MD5, 32 lower-case hex digits.
    Md5(String),
    /// SHA-256, 64 lower-case hex digits.
    Sha256(String),
}

impl Checksum {
    /// Reads `md5:…` or `sha256:…`, digits in any case; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, digits) = text.split_once(':')?;
        let made: fn(String) -> Self = match kind {
            "md5" => Self::Md5,
            "sha256" => Self::Sha256,
            _ => return None,
        };
        let wanted = if kind == "md5" { 32 } else { 64 };
        let is_hex = digits.len() == wanted && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| made(digits.to_ascii_lowercase()))
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Md5(digits) => write!(f, "md5:{digits}"),
            Self::Sha256(digits) => write!(f, "sha256:{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_its_kind_and_its_digits() {
        let md5 = "D41D8CD98F00B204E9800998ECF8427E";
        let read = Checksum::read(&format!("md5:{md5}"));
        assert_eq!(read, Some(Checksum::Md5(md5.to_lowercase())));
        assert_eq!(read.map(|c| c.to_string()), Some(format!("md5:{}", md5.to_lowercase())));
        assert!(Checksum::read(&format!("sha256:{}", "a".repeat(64))).is_some());
        for wrong in [
            "",
            "md5",
            "md5:",
            &format!("sha256:{md5}"),
            &format!("sha1:{md5}"),
            &format!("md5:{}", "g".repeat(32)),
        ] {
            assert_eq!(Checksum::read(wrong), None, "{wrong}");
        }
    }
}
