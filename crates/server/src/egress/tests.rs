//! The table of addresses, and what rules open.

use std::net::SocketAddr;

use super::{Class, Egress, class};

const KEY: &str = "egress.webhooks";
const OWN: &str = "127.0.0.1:8080";

fn rules(text: &str) -> Egress {
    Egress::parse(KEY, text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn allows(text: &str, host: &str, to: &str) -> bool {
    allows_at(text, host, to, OWN)
}

fn allows_at(text: &str, host: &str, to: &str, own: &str) -> bool {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap_or_else(|e| panic!("{text}: {e}"));
    rules(text).check(host, address(to), address(own)).is_ok()
}

#[test]
fn every_kind_of_address_is_told() {
    let special = |what: &'static str| Class::Special(what);
    let loopback = special("a loopback address");
    let metadata = special("a metadata service of a cloud");
    let link_local = special("a link-local address");
    let reserved = special("a reserved address");
    for (kind, addresses) in [
        (Class::Public, &["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "::ffff:8.8.8.8"][..]),
        (Class::Private, &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"]),
        (Class::Private, &["198.18.0.1", "fd12::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]),
        (loopback, &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::127.0.0.1"]),
        (loopback, &["64:ff9b::7f00:1", "2002:7f00:1::1"]),
        (metadata, &["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"]),
        (metadata, &["fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::"]),
        (link_local, &["169.254.0.1", "fe80::1", "febf::1"]),
        (special("a multicast address"), &["224.0.0.1", "239.255.255.255", "ff02::1"]),
        (special("an unspecified address"), &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"]),
        (reserved, &["255.255.255.255", "240.0.0.1", "192.0.0.1", "100::1", "64:ff9b:1::1", "2001::1"]),
    ] {
        for address in addresses {
            assert_eq!(class(address.parse().expect("an address")), kind, "{address}");
        }
    }
}

#[test]
fn by_default_public_and_private_networks_are_open_and_nothing_else() {
    let default = "public,private";
    for open in ["8.8.8.8:80", "10.0.0.1:1", "[2a00::1]:65535", "[fd12::1]:80"] {
        assert!(allows(default, "h", open), "{open}");
    }
    for shut in
        ["127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "169.254.169.254:80", "[fe80::1]:80", "224.0.0.1:80"]
    {
        assert!(!allows(default, "h", shut), "{shut}");
    }
    assert!(!allows("public", "h", "10.0.0.1:80"));
    assert!(!allows("private", "h", "8.8.8.8:80"));
    assert!(!allows("", "h", "8.8.8.8:80"));
}

#[test]
fn a_rule_opens_the_addresses_and_ports_that_it_names_and_no_others() {
    assert!(allows("127.0.0.1:9000", "h", "127.0.0.1:9000"));
    assert!(allows("127.0.0.1:9000", "h", "[::ffff:127.0.0.1]:9000"));
    assert!(!allows("127.0.0.1:9000", "h", "127.0.0.1:9001"));
    assert!(!allows("127.0.0.1:9000", "h", "127.0.0.2:9000"));
    assert!(allows("127.0.0.0/8:9000-9010", "h", "127.9.9.9:9010"));
    assert!(!allows("127.0.0.0/8:9000-9010", "h", "127.9.9.9:9011"));
    assert!(!allows("127.0.0.0/8:*", "h", "128.0.0.1:80"));
    assert!(allows("[::1]:*", "h", "[::1]:1"));
    assert!(!allows("[::1]:*", "h", "127.0.0.1:1"));
    assert!(allows("[fe80::/10]:80", "h", "[fe80::5]:80"));
    assert!(allows("[::ffff:127.0.0.0/104]:80", "h", "127.1.2.3:80"));
    assert!(!allows("[::ffff:127.0.0.0/104]:80", "h", "128.1.2.3:80"));
    assert!(allows("0.0.0.0/0:80", "h", "169.254.169.254:80"), "whoever writes that means it");
    assert!(!allows("10.0.0.0/31:80", "h", "10.0.0.2:80"));
}

#[test]
fn a_rule_for_a_name_opens_no_special_address_behind_it() {
    assert!(allows("receiver.example:80", "receiver.example", "10.0.0.1:80"));
    assert!(allows("Receiver.Example:80", "receiver.example", "8.8.8.8:80"));
    assert!(!allows("receiver.example:80", "receiver.example", "8.8.8.8:81"));
    assert!(!allows("receiver.example:80", "other.example", "8.8.8.8:80"));
    assert!(!allows("receiver.example:80", "receiver.example", "127.0.0.1:80"));
    assert!(!allows("receiver.example:80", "receiver.example", "169.254.169.254:80"));
}

#[test]
fn the_own_listener_is_open_to_a_rule_for_its_very_port_only() {
    assert!(!allows("127.0.0.0/8:*", "h", "127.0.0.1:8080"));
    assert!(!allows("127.0.0.0/8:1-9000", "h", "[::ffff:127.0.0.1]:8080"));
    assert!(allows("127.0.0.0/8:*", "h", "127.0.0.1:8081"));
    assert!(allows("127.0.0.1:8080", "h", "127.0.0.1:8080"));
    let everywhere = "0.0.0.0:8080";
    assert!(!allows_at("127.0.0.0/8:*", "h", "127.0.0.9:8080", everywhere));
    assert!(!allows_at("[::1]:*", "h", "[::1]:8080", "[::]:8080"));
    assert!(!allows_at("0.0.0.0/0:*", "h", "0.0.0.0:8080", OWN));
    assert!(allows_at("public", "h", "8.8.8.8:8080", everywhere), "not an address of this machine");
}

#[test]
fn a_refusal_names_what_the_address_is_and_the_rule_to_add() {
    let check = |to: &str| rules("public").check("h", to.parse().unwrap(), OWN.parse().unwrap()).unwrap_err();
    for (to, what) in [
        ("127.0.0.1:9000", "a loopback address"),
        ("[::1]:9000", "a loopback address"),
        ("10.0.0.1:80", "an address of a private network"),
        ("127.0.0.1:8080", "this server's own listener"),
    ] {
        let refusal = check(to);
        assert!(refusal.contains(what) && refusal.contains(KEY), "{refusal}");
        let rule = refusal.rsplit_once("add the rule ").and_then(|(_, r)| r.strip_suffix(" there"));
        assert!(allows(rule.expect("a rule"), "h", to), "the rule that is named opens it: {refusal}");
    }
}

#[test]
fn what_is_no_rule_is_refused_and_told_how_to_write_one() {
    for wrong in [
        "loopback",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:9-8",
        "::1:80",
        "[::1]",
        "[127.0.0.1]:80",
        "127.0.0.1/33:80",
        "[::1/129]:80",
        "[::ffff:127.0.0.1/95]:80",
        "127.0.0.256:80",
        "10.0.0/8:80",
        ":80",
        "host/24:80",
        "ho st:80,",
        "[host]:80",
        "PUBLIC",
        "http://host:80",
    ] {
        let refused = Egress::parse(KEY, wrong);
        assert!(refused.as_ref().is_err_and(|e| e.contains("write public, private")), "{wrong}: {refused:?}");
    }
    assert_eq!(Egress::parse(KEY, " ,, "), Egress::parse(KEY, ""));
    assert!(Egress::parse(KEY, &"public,".repeat(super::RULES_MAX)).is_ok());
    assert!(Egress::parse(KEY, &"public,".repeat(super::RULES_MAX + 1)).is_err());
}
