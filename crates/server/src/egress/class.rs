//! What kind of address an address is. An IPv6 address that carries an IPv4 one is what that is.
//!
//! Source: the special-purpose address registries of IANA (RFC 6890 and its updates); the clouds' documented
//! metadata addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Of the Internet.
    Public,
    /// Of a private network.
    Private,
    /// Of this machine or its neighbourhood, or of nobody: what it is.
    Special(&'static str),
}

impl Class {
    /// For people, as in "… is a loopback address".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "an address of a private network",
            Self::Special(what) => what,
        }
    }
}

const METADATA: Class = Class::Special("a metadata service of a cloud");
const LOOPBACK: Class = Class::Special("a loopback address");
const LINK_LOCAL: Class = Class::Special("a link-local address");
const MULTICAST: Class = Class::Special("a multicast address");
const UNSPECIFIED: Class = Class::Special("an unspecified address");
const RESERVED: Class = Class::Special("a reserved address");

/// Metadata services outside of the link-local ranges.
const METADATA_V4: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// The kind of `address`.
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        octets if METADATA_V4.contains(&octets) => METADATA,
        [169, 254, 169, 254] => METADATA,
        [0, ..] => UNSPECIFIED,
        [127, ..] => LOOPBACK,
        [169, 254, ..] => LINK_LOCAL,
        [224..=239, ..] => MULTICAST,
        [240..=255, ..] | [192, 0, 0, _] => RESERVED,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => {
            Class::Private
        }
        _ => Class::Public,
    }
}

fn v6(address: Ipv6Addr) -> Class {
    if METADATA_V6.contains(&address) {
        return METADATA;
    }
    let low = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => UNSPECIFIED,
        [0, 0, 0, 0, 0, 0, 0, 1] => LOOPBACK,
        // Mapped, compatible, translated (RFC 6052), 6to4: the IPv4 address inside is what is reached.
        [0, 0, 0, 0, 0, 0xffff | 0, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => {
            v4(low(a, b))
        }
        // Translated by rules of the site, or tunneled: what is reached cannot be seen.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => RESERVED,
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xff00..=0xffff, ..] => MULTICAST,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Class::Private,
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => RESERVED,
    }
}
