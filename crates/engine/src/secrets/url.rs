//! Secrets in URLs, wherever in a text they stand: the password of a login (`https://me:password@host/`), and parameters
//! that are secrets by their names, as those of signed URLs are. Users, hosts and paths are shown. The receiver decides
//! what a URL means, so what a lenient reader would take for one counts as one.

use std::ops::Range;

use super::{MASK, is_secret};

/// Parameters that are secrets besides those that any field is by its name; letters and digits alone.
const PARAMETERS: [&str; 9] = ["auth", "authorization", "hmac", "jwt", "pass", "pw", "pwd", "sig", "sign"];

/// The text with the secrets of its URLs masked, if there are any. Hands each to `found`, as it stands there and without
/// its escapes.
pub(super) fn masked(text: &str, found: &mut dyn FnMut(&str)) -> Option<String> {
    let mut secrets: Vec<Range<usize>> = Vec::new();
    for (colon, _) in text.match_indices("://") {
        let scheme = text[..colon].rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).next();
        let Some(scheme) = scheme.filter(|scheme| !scheme.is_empty()) else { continue };
        let mut start = colon + 3;
        if !scheme.eq_ignore_ascii_case("file") {
            start += text[start..].len() - text[start..].trim_start_matches(['/', '\\']).len();
        }
        // Where the text is a URL, all of it is; in another text one ends where words do.
        let is_all = text[..colon].trim_start() == scheme;
        let ends = |c: char| !is_all && (c.is_whitespace() || "\"'<>`".contains(c));
        let url = &text[start..];
        let url = &url[..url.find(ends).unwrap_or(url.len())];
        secrets
            .extend(password(url).into_iter().chain(parameters(url)).map(|r| start + r.start..start + r.end));
    }
    if secrets.is_empty() {
        return None;
    }
    secrets.sort_unstable_by_key(|range| (range.start, range.end));
    let (mut out, mut shown) = (String::with_capacity(text.len()), 0);
    for range in secrets {
        let secret = &text[range.clone()];
        found(secret);
        found(&unescaped(secret));
        if range.start >= shown {
            out.push_str(&text[shown..range.start]);
            out.push_str(MASK);
        }
        shown = shown.max(range.end);
    }
    out.push_str(&text[shown..]);
    Some(out)
}

/// Where the password is in what follows `://`.
fn password(url: &str) -> Option<Range<usize>> {
    let authority = &url[..url.find(['/', '\\', '?', '#']).unwrap_or(url.len())];
    let end = authority.rfind('@')?;
    let start = authority[..end].find(':')? + 1;
    (start < end && &authority[start..end] != MASK).then_some(start..end)
}

/// Where the values of secret parameters are in it.
fn parameters(url: &str) -> Vec<Range<usize>> {
    let Some(query) = url.find(['?', '#']) else { return Vec::new() };
    let (mut found, mut at) = (Vec::new(), query + 1);
    for parameter in url[at..].split(['&', ';', '?', '#']) {
        if let Some((name, value)) = parameter.split_once('=')
            && !value.is_empty()
            && value != MASK
            && is_secret_parameter(&unescaped(name))
        {
            found.push(at + name.len() + 1..at + parameter.len());
        }
        at += parameter.len() + 1;
    }
    found
}

fn is_secret_parameter(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    is_secret(name) || plain.contains("signature") || PARAMETERS.contains(&plain.as_str())
}

/// `%41` as `A`; what is no escape stays.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|d| d as u8);
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
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

    fn shown(text: &str) -> String {
        masked(text, &mut |_| {}).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn the_password_of_a_url_is_masked_and_user_host_and_path_are_not() {
        for (url, told) in [
            ("http://me:s3cret@h/x@y", "http://me:******@h/x@y"),
            ("HTTPS://me:s3@cr:et@h:81?a", "HTTPS://me:******@h:81?a"),
            (" https://:s3cret@h", " https://:******@h"),
            ("http:///me:s3cret@h/", "http:///me:******@h/"),
            ("http://\\me:s3cret@h\\x", "http://\\me:******@h\\x"),
            ("http://me:s3 cr@et@h/", "http://me:******@h/"),
            (
                "from http://me:s3cret@h and ftp://a:s3cret@b/, mail me@x",
                "from http://me:******@h and ftp://a:******@b/, mail me@x",
            ),
            ("http://h/?to=http://me:s3cret@h", "http://h/?to=http://me:******@h"),
        ] {
            assert_eq!(shown(url), told);
            assert_eq!(shown(told), told, "masked once");
        }
    }

    #[test]
    fn parameters_that_sign_or_log_in_are_masked_and_the_others_are_not() {
        for name in [
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "X-Goog-Signature",
            "Signature",
            "sig",
            "token",
            "access_token",
            "password",
            "pass%77ord",
            "key",
            "api_key",
            "auth_key",
            "pwd",
            "q-signature",
            "sign",
            "jwt",
        ] {
            assert_eq!(
                shown(&format!("https://h/p?a=1&{name}=s3cret&b=2")),
                format!("https://h/p?a=1&{name}={MASK}&b=2")
            );
            assert_eq!(shown(&format!("https://h/p#{name}=s3cret")), format!("https://h/p#{name}={MASK}"));
        }
        for name in [
            "X-Amz-Credential",
            "X-Amz-Date",
            "AWSAccessKeyId",
            "Key-Pair-Id",
            "Expires",
            "design",
            "q",
            "se",
        ] {
            let url = format!("https://h/token=1/key?{name}=shown&sig=");
            assert_eq!(shown(&url), url);
        }
    }

    #[test]
    fn what_is_no_url_with_a_secret_stays_as_it_is() {
        for text in [
            "",
            "http://me@h/x",
            "http://h/a:b@c",
            "file:///x:y@z/?n=1",
            "http://me:@h/",
            "me:s3cret@h",
            "://a:b@c",
            "a :// b",
            "http://h/?sig",
            "volume://4f",
            "é://é:é",
        ] {
            assert_eq!(masked(text, &mut |_| panic!("{text}")), None, "{text}");
        }
    }

    #[test]
    fn each_secret_is_told_as_it_stands_and_unescaped() {
        let mut told = Vec::new();
        masked("http://me:p%40ss@h/?token=a%2Fb%", &mut |secret| told.push(secret.to_owned()));
        assert_eq!(told, ["p%40ss", "p@ss", "a%2Fb%", "a/b%"]);
    }
}
