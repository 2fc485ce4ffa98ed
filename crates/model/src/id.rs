//! Typed ids. Inside, 128 bits; as text, 32 lower-case hex digits, the wire form. What an id points at
//! lives elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::Runtime;

/// The text was not 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower-case hex digits")]
pub struct BadId;

/// Declares 128-bit id types whose text form is 32 lower-case hex digits.
#[macro_export]
macro_rules! typed_uuid {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A fresh id of UUID version 4 form, its bits from `runtime`.
            pub fn random(runtime: &dyn Runtime) -> Self {
                Self::v4(runtime.random_u128())
            }

            /// A fresh id of UUID version 4 form that is greater than those of the milliseconds before: its first 48 bits
            /// are the time, ms since 1970, and 74 are from `runtime`. For rows that come by the thousand: new ones lie
            /// side by side in an index, where each random one would change a page of its own. No secret.
            pub fn in_order(runtime: &dyn Runtime) -> Self {
                let time = u128::from(runtime.now_ms().cast_unsigned()) << 80;
                Self::v4(time | (runtime.random_u128() & ((1 << 80) - 1)))
            }

            /// The id of UUID version 4 form made of these bits: version and variant are overwritten.
            pub const fn v4(bits: u128) -> Self {
                let cleared = bits & !(0xf << 76) & !(0x3 << 62);
                Self(cleared | (0x4 << 76) | (0x2 << 62))
            }

            /// The id with exactly these bits, for ids that are fixed by the product.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// All 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

fn parse_hex(text: &str) -> Result<u128, BadId> {
    let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return Err(BadId);
    }
    u128::from_str_radix(text, 16).map_err(|_| BadId)
}

typed_uuid! {
    /// A job, from submission to deletion.
    JobId,
    /// A management node; new at every process start.
    NodeId,
    /// A machine, kept in its data directory.
    HostId,
    /// An account.
    AccountId,
    /// A login session. The text form is the bearer's secret: never logged, stored hashed.
    SessionId,
    /// A primary storage.
    StorageId,
    /// A volume.
    VolumeId,
    /// A backup storage.
    BackupStorageId,
    /// An image.
    ImageId,
    /// A system or user tag.
    TagId,
    /// An access key; not the id that signed requests name.
    KeyId,
}

/// The one built-in account, `admin`; its id is the same in every installation.
pub const ADMIN: AccountId = AccountId::from_bits(0x36c2_7e8f_f05c_4780_bf6d_2fa6_5700_f22e);

/// The id of an API call: chosen by the client (`X-Job-UUID`, any 32 characters) or by the server. The
/// key of a job's progress and of an asynchronous answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApiId(String);

impl ApiId {
    /// A fresh id, 32 hex digits, greater than those of the milliseconds before.
    pub fn in_order(runtime: &dyn Runtime) -> Self {
        Self(JobId::in_order(runtime).to_string())
    }

    /// The client's choice; `None` unless it has exactly 32 characters.
    pub fn chosen(text: &str) -> Option<Self> {
        (text.chars().count() == 32).then(|| Self(text.to_owned()))
    }

    /// The text as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a client may choose `text` as the uuid of a new resource: a UUID of version 1 to 5, RFC 4122
/// variant, 32 lower-case hex digits.
pub fn is_choosable_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    parse_hex(text).is_ok()
        && matches!(bytes[12], b'1'..=b'5')
        && matches!(bytes[16], b'8' | b'9' | b'a' | b'b')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = JobId::v4(7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(is_choosable_uuid(&id.to_string()));
    }

    #[test]
    fn only_32_lower_case_hex_digits_are_an_id() {
        for bad in ["", "36C27E8FF05C4780BF6D2FA65700F22E", "36c2", "+6c27e8ff05c4780bf6d2fa65700f22e"] {
            assert_eq!(bad.parse::<JobId>(), Err(BadId), "{bad}");
        }
        assert!(!is_choosable_uuid("36c27e8ff05c9780bf6d2fa65700f22e"), "version 9");
    }

    /// A runtime that has a moment and chance, and nothing else.
    struct At(i64, u128);

    impl crate::Clock for At {
        fn now_ms(&self) -> i64 {
            self.0
        }
    }

    impl Runtime for At {
        fn spawn(&self, _: &'static str, _: crate::BoxFuture<'static, ()>) {}

        fn sleep(&self, _: std::time::Duration) -> crate::BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }

        fn monotonic(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }

        fn random_u128(&self) -> u128 {
            self.1
        }
    }

    #[test]
    fn an_id_in_order_is_greater_than_those_of_before_and_differs_from_those_of_its_moment() {
        const NOW: i64 = 1_795_000_000_000;
        let (before, now) = (JobId::in_order(&At(NOW - 1, u128::MAX)), JobId::in_order(&At(NOW, 0)));
        assert!(before < now && before.to_string() < now.to_string(), "{before} {now}");
        assert_eq!(now.to_string(), format!("{NOW:012x}40008000000000000000"));
        let others: std::collections::BTreeSet<JobId> =
            (0..80).map(|bit| JobId::in_order(&At(NOW, 1 << bit))).collect();
        assert_eq!(others.len(), 80 - 6 + 1, "six bits are the version and the variant");
        assert!(is_choosable_uuid(&now.to_string()));
    }
}
