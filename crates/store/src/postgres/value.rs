//! Bound values: what a statement is given beside its text. Each knows its type, so that no statement has to be
//! described by the server first, and none depends on a session (`params!`).

use std::borrow::Cow;

use longhaul_model::{
    AccountId, ApiId, BackupStorageId, HostId, ImageId, JobId, KeyId, NodeId, SessionId, StorageId, TagId,
    VolumeId,
};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A bound value, or a column of them for `UNNEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Int(Option<i64>),
    Bytes(Option<Cow<'a, [u8]>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Ints(Vec<Option<i64>>),
    Blobs(Vec<Option<Cow<'a, [u8]>>>),
}

impl Value<'_> {
    /// The same, owning what it borrowed.
    pub(super) fn to_static(&self) -> Value<'static> {
        fn text(text: &Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
            text.as_ref().map(|text| Cow::Owned(text.clone().into_owned()))
        }
        fn bytes(bytes: &Option<Cow<'_, [u8]>>) -> Option<Cow<'static, [u8]>> {
            bytes.as_ref().map(|bytes| Cow::Owned(bytes.clone().into_owned()))
        }
        match self {
            Self::Text(one) => Value::Text(text(one)),
            Self::Int(number) => Value::Int(*number),
            Self::Bytes(one) => Value::Bytes(bytes(one)),
            Self::Texts(all) => Value::Texts(all.iter().map(text).collect()),
            Self::Ints(all) => Value::Ints(all.clone()),
            Self::Blobs(all) => Value::Blobs(all.iter().map(bytes).collect()),
        }
    }

    /// Its type in the statement.
    pub(super) const fn type_of(&self) -> Type {
        match self {
            Self::Text(_) => Type::TEXT,
            Self::Int(_) => Type::INT8,
            Self::Bytes(_) => Type::BYTEA,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Ints(_) => Type::INT8_ARRAY,
            Self::Blobs(_) => Type::BYTEA_ARRAY,
        }
    }
}

type Fault = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match self {
            Self::Text(text) => text.as_deref().to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_deref().to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Ints(numbers) => numbers.to_sql(ty, out),
            Self::Blobs(blobs) => {
                let blobs: Vec<Option<&[u8]>> = blobs.iter().map(Option::as_deref).collect();
                blobs.to_sql(ty, out)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// What can be bound.
pub(super) trait Bind<'a> {
    /// As a value.
    fn bind(self) -> Value<'a>;
    /// The null of its type.
    fn null() -> Value<'a>;
}

impl<'a, T: Bind<'a>> Bind<'a> for Option<T> {
    fn bind(self) -> Value<'a> {
        self.map_or_else(T::null, T::bind)
    }
    fn null() -> Value<'a> {
        T::null()
    }
}

impl<'a> Bind<'a> for Value<'a> {
    fn bind(self) -> Value<'a> {
        self
    }
    fn null() -> Value<'a> {
        Value::Text(None)
    }
}

macro_rules! bound {
    ($($what:ty, $variant:ident, $value:ident => $bound:expr;)*) => {$(
        impl<'a> Bind<'a> for $what {
            fn bind(self) -> Value<'a> {
                let $value = self;
                Value::$variant(Some($bound))
            }
            fn null() -> Value<'a> {
                Value::$variant(None)
            }
        }
    )*};
}

bound! {
    &'a str, Text, text => Cow::Borrowed(text);
    &'a String, Text, text => Cow::Borrowed(text);
    String, Text, text => Cow::Owned(text);
    &'a ApiId, Text, id => Cow::Borrowed(id.as_str());
    i64, Int, number => number;
    u32, Int, number => i64::from(number);
    u16, Int, number => i64::from(number);
    u8, Int, number => i64::from(number);
    u64, Int, number => stored(number);
    bool, Int, yes => i64::from(yes);
    &'a [u8], Bytes, bytes => Cow::Borrowed(bytes);
    &'a Vec<u8>, Bytes, bytes => Cow::Borrowed(bytes);
    Vec<u8>, Bytes, bytes => Cow::Owned(bytes);
    &'a [u8; 32], Bytes, bytes => Cow::Borrowed(bytes.as_slice());
    [u8; 17], Bytes, bytes => Cow::Owned(bytes.to_vec());
    AccountId, Text, id => Cow::Owned(id.to_string());
    BackupStorageId, Text, id => Cow::Owned(id.to_string());
    HostId, Text, id => Cow::Owned(id.to_string());
    ImageId, Text, id => Cow::Owned(id.to_string());
    JobId, Text, id => Cow::Owned(id.to_string());
    KeyId, Text, id => Cow::Owned(id.to_string());
    NodeId, Text, id => Cow::Owned(id.to_string());
    SessionId, Text, id => Cow::Owned(id.to_string());
    StorageId, Text, id => Cow::Owned(id.to_string());
    TagId, Text, id => Cow::Owned(id.to_string());
    VolumeId, Text, id => Cow::Owned(id.to_string());
}

/// A count as the database keeps it. Past 2^63 nothing real is counted.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column of values for `UNNEST`: what `bind` makes of each.
pub(super) fn column<'a, T: Bind<'a>>(values: impl IntoIterator<Item = T>) -> Value<'a> {
    let mut column = match T::null() {
        Value::Int(_) => Value::Ints(Vec::new()),
        Value::Bytes(_) => Value::Blobs(Vec::new()),
        _ => Value::Texts(Vec::new()),
    };
    for value in values {
        match (&mut column, value.bind()) {
            (Value::Ints(all), Value::Int(one)) => all.push(one),
            (Value::Blobs(all), Value::Bytes(one)) => all.push(one),
            (Value::Texts(all), Value::Text(one)) => all.push(one),
            _ => {} // a type has one kind of values
        }
    }
    column
}

/// The values of a statement, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::postgres::value::Bind::bind($value)),*]
    };
}
pub(super) use params;
