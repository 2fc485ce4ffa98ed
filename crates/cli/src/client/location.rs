//! Addresses: the server's, and where a call that was accepted is polled.

use reqwest::Url;

use crate::error::ClientError;

/// What every location holds before the call's uuid.
const MARK: &str = "/v1/api-jobs/";

/// The address of a server, `http://HOST:PORT`; a path before `/zstack` is kept.
pub fn base(text: &str) -> Result<Url, ClientError> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|e| {
        ClientError::usage(format!("{text} is no address: {e}; write it as http://HOST:PORT"))
    })?;
    let path =
        url.path().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/zstack").to_owned();
    match url.scheme() {
        "http" if url.has_host() => {}
        "https" => {
            return Err(ClientError::usage(
                "https is not spoken by this client; use http to a loopback or private address, or a tunnel",
            ));
        }
        _ => return Err(ClientError::usage(format!("{text} is no address; write it as http://HOST:PORT"))),
    }
    let mut url = url;
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The uuid of the call that is polled at `location`. Only the uuid is taken: the poll always goes to the
/// server that we know, whatever host the location names (a node behind a balancer names its own).
pub fn poll_path(location: &str) -> Result<&str, ClientError> {
    let uuid = location.find(MARK).map(|at| &location[at + MARK.len()..]).unwrap_or_default();
    let plain = uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { Ok(uuid) } else { Err(ClientError::bad_answer("it is a 202 without a location to poll")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_or_without_scheme_and_api_path() {
        for text in ["127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/zstack/v1/?x#y"] {
            assert_eq!(base(text).map(|u| u.to_string()), Ok("http://127.0.0.1:8080/".to_owned()), "{text}");
        }
        assert_eq!(base("http://h/proxy/zstack").map(|u| u.to_string()), Ok("http://h/proxy".to_owned()));
        for bad in ["https://h", "ftp://h", "http://", "http://h:99999"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_uuid_of_a_location_is_taken() {
        let uuid = "0123456789abcdef0123456789abcdef";
        let foreign = format!("http://172.20.1.2:8080/zstack/v1/api-jobs/{uuid}");
        assert_eq!(poll_path(&foreign), Ok(uuid));
        assert!(poll_path("http://h/zstack/v1/api-jobs/../../x").is_err());
        assert!(poll_path("").is_err());
    }
}
