//! One number of all rows of a table, the same in every database: SHA-256 over the values in the order of the key.
//! A value is its kind, its length and its bytes, so that no two rows of values look alike.

use sha2::{Digest as _, Sha256};

/// A value of a row, as both databases have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A number; yes and no are 1 and 0.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// How many rows, and what their values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Rows.
    pub rows: u64,
    /// SHA-256 of their values.
    pub hash: [u8; 32],
}

impl Digest {
    /// The beginning of the hash, for people: 16 hex digits.
    pub fn short(&self) -> String {
        self.hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Rows that come one after another.
#[derive(Debug, Default)]
pub struct Digester {
    rows: u64,
    hash: Sha256,
}

impl Digester {
    /// One more row.
    pub fn row<'a>(&mut self, values: impl IntoIterator<Item = &'a Value>) {
        self.rows += 1;
        for value in values {
            match value {
                Value::Null => self.hash.update([0]),
                Value::Int(number) => {
                    self.hash.update([1]);
                    self.hash.update(number.to_be_bytes());
                }
                Value::Text(text) => self.bytes(2, text.as_bytes()),
                Value::Bytes(bytes) => self.bytes(3, bytes),
            }
        }
        self.hash.update([4]);
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// Their digest.
    pub fn end(self) -> Digest {
        Digest { rows: self.rows, hash: self.hash.finalize().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_of_values_look_alike() {
        let text = |text: &str| Value::Text(text.to_owned());
        let tables: [&[&[Value]]; 8] = [
            &[],
            &[&[]],
            &[&[Value::Null]],
            &[&[Value::Int(0)]],
            &[&[text("ab"), text("c")]],
            &[&[text("a"), text("bc")]],
            &[&[text("ab")], &[text("c")]],
            &[&[Value::Bytes(b"ab".to_vec()), text("c")]],
        ];
        let digests: Vec<Digest> = tables
            .iter()
            .map(|rows| {
                let mut digester = Digester::default();
                rows.iter().for_each(|row| digester.row(*row));
                digester.end()
            })
            .collect();
        for (at, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().filter(|d| *d == digest).count(), 1, "table {at}");
        }
    }
}
