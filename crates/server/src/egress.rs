//! Where the server may connect to on behalf of somebody: rules per purpose, asked with an address that was
//! resolved and that is then connected to, so that a name which changes its mind in between helps nobody.
//! What kind of address it is, is in `class`; who connects, in `hooks`.
//!
//! Addresses of the machine itself and of its neighbourhood (loopback, link-local, multicast, unspecified,
//! metadata services) and this server's own listener are refused unless a rule names address and port.

mod class;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

pub use class::{Class, class};

/// Most rules of one purpose.
pub const RULES_MAX: usize = 256;

/// The rules of one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// The setting that holds them, as refusals name it.
    key: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// `public`: any port.
    Public,
    /// `private`: any port.
    Private,
    /// Addresses, whatever they are.
    Network { address: IpAddr, prefix: u8, ports: RangeInclusive<u16> },
    /// What this name means, if it is public or private.
    Host { name: String, ports: RangeInclusive<u16> },
}

impl Egress {
    /// Reads rules, separated by commas or spaces.
    ///
    /// # Errors
    /// Which rule cannot be read, and how one is written.
    pub fn parse(key: &'static str, text: &str) -> Result<Self, String> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty());
        let rules = words.map(rule).collect::<Result<Vec<_>, _>>()?;
        if rules.len() > RULES_MAX {
            return Err(format!("{} rules are more than {RULES_MAX}", rules.len()));
        }
        Ok(Self { key, rules })
    }

    /// Whether `to` may be connected to, as what `host` (the URL's, in lower case) means. `own` is where this
    /// server listens.
    ///
    /// # Errors
    /// Why not, and the rule that would allow it.
    pub fn check(&self, host: &str, to: SocketAddr, own: SocketAddr) -> Result<(), String> {
        let class = class(to.ip());
        let is_own = is_own(to, own);
        let allowed = self.rules.iter().any(|rule| match rule {
            Rule::Public => class == Class::Public && !is_own,
            Rule::Private => class == Class::Private && !is_own,
            Rule::Host { name, ports } => {
                !matches!(class, Class::Special(_)) && !is_own && name == host && ports.contains(&to.port())
            }
            // For the own listener, its very port: a rule for many ports does not mean to open the API.
            Rule::Network { address, prefix, ports } => {
                contains(*address, *prefix, to.ip())
                    && ports.contains(&to.port())
                    && (!is_own || ports.start() == ports.end())
            }
        });
        if allowed {
            return Ok(());
        }
        let what = if is_own { "this server's own listener" } else { class.name() };
        Err(format!(
            "{to} is {what}, which no rule of {} allows; to allow it, add the rule {to} there",
            self.key
        ))
    }
}

fn rule(word: &str) -> Result<Rule, String> {
    let wrong = || {
        format!(
            "{word:?} is no rule: write public, private, ADDRESS:PORTS, NETWORK/PREFIX:PORTS or HOST:PORTS, with \
             IPv6 in brackets and PORTS as 80, 8000-8999 or *"
        )
    };
    match word {
        "public" => return Ok(Rule::Public),
        "private" => return Ok(Rule::Private),
        _ => {}
    }
    let (place, ports) = word.rsplit_once(':').ok_or_else(wrong)?;
    let ports = self::ports(ports).ok_or_else(wrong)?;
    let (bare, in_brackets) = match place.strip_prefix('[').and_then(|p| p.strip_suffix(']')) {
        Some(inner) => (inner, true),
        None => (place, false),
    };
    let (address, prefix) = match bare.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (bare, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        // Digits and dots alone are a mistyped address, never a name.
        let is_name = !in_brackets
            && prefix.is_none()
            && !place.is_empty()
            && place.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            && place.bytes().any(|b| b.is_ascii_alphabetic());
        return match is_name {
            true => Ok(Rule::Host { name: place.to_ascii_lowercase(), ports }),
            false => Err(wrong()),
        };
    };
    if address.is_ipv6() != in_brackets {
        return Err(wrong());
    }
    let longest = if address.is_ipv6() { 128 } else { 32 };
    let prefix = match prefix {
        None => longest,
        Some(text) => text.parse::<u8>().ok().filter(|p| *p <= longest).ok_or_else(wrong)?,
    };
    // IPv4 in IPv6 dress is IPv4, here as in the addresses that are asked about.
    let dress = if address.is_ipv6() && address.to_canonical().is_ipv4() { 96 } else { 0 };
    let prefix = prefix.checked_sub(dress).ok_or_else(wrong)?;
    Ok(Rule::Network { address: address.to_canonical(), prefix, ports })
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|p| *p > 0);
    match text.split_once('-') {
        _ if text == "*" => Some(1..=u16::MAX),
        Some((from, to)) => Some(port(from)?..=port(to)?).filter(|range| !range.is_empty()),
        None => port(text).map(|p| p..=p),
    }
}

/// Whether the first `prefix` bits are the same; an IPv4 address in IPv6 dress is that IPv4 address.
fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - u32::from(prefix)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Whether a connection to `to` would end at the listener `own`.
fn is_own(to: SocketAddr, own: SocketAddr) -> bool {
    let (address, listens) = (to.ip().to_canonical(), own.ip().to_canonical());
    if to.port() != own.port() {
        return false;
    }
    // A listener on every address is reached by each address of this machine, and by the unspecified one.
    address == listens || address.is_unspecified() || (listens.is_unspecified() && is_local(address))
}

/// Whether the address is one of this machine's: only such a one can be bound.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}
