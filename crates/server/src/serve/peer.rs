//! Which address a request comes from: the connection's, unless the settings say that proxies stand before
//! this server. Then the address that the outermost of them saw, which it and the others wrote at the end of
//! `X-Forwarded-For`; what stands before that in the header is the client's own word and counts for nothing.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

const FORWARDED: &str = "x-forwarded-for";

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// The client behind `proxies` proxies. The peer itself, where the header is missing or has fewer readable
    /// addresses than that: the request did not pass all of them.
    pub fn client(self, headers: &HeaderMap, proxies: u32) -> IpAddr {
        let Some(behind) = proxies.checked_sub(1) else { return self.0 };
        let lines = headers.get_all(FORWARDED).iter().filter_map(|line| line.to_str().ok());
        let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        let entry = entries.iter().rev().nth(usize::try_from(behind).unwrap_or(usize::MAX));
        entry.and_then(|entry| address(entry.trim())).unwrap_or(self.0)
    }
}

/// `192.0.2.1`, `2001:db8::1`, and both with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(lines: &[&str], proxies: u32) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().expect("a value"));
        }
        Peer(IpAddr::from([10, 0, 0, 1])).client(&headers, proxies).to_string()
    }

    #[test]
    fn without_proxies_the_header_counts_for_nothing() {
        assert_eq!(client(&["192.0.2.1"], 0), "10.0.0.1");
    }

    #[test]
    fn with_proxies_the_address_that_the_outermost_saw_counts_and_what_the_client_wrote_does_not() {
        let lines = ["203.0.113.9, 192.0.2.1", "198.51.100.1"];
        assert_eq!(client(&lines, 1), "198.51.100.1");
        assert_eq!(client(&lines, 2), "192.0.2.1");
        assert_eq!(client(&["[2001:db8::1]:4711"], 1), "2001:db8::1");
        assert_eq!(client(&["192.0.2.1:80"], 1), "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_is_the_peer() {
        for lines in [&[][..], &["unknown"], &[""], &["192.0.2.1,"]] {
            assert_eq!(client(lines, 1), "10.0.0.1", "{lines:?}");
        }
        assert_eq!(client(&["192.0.2.1"], 2), "10.0.0.1");
    }
}
