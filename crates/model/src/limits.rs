//! How many jobs may run at a time, over all nodes together: by type, by account, by both. What a node runs at
//! a time is `FreeSlots`. How limits are counted is in the store.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::AccountId;

/// Most entries of one table of limits.
pub const LIMITS_MAX: usize = 1000;

/// The limits in force; the default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Of a type, by its name, all accounts together.
    pub types: BTreeMap<String, u32>,
    /// Of each account that `accounts` does not name, all types together.
    pub each_account: Option<u32>,
    /// Of an account, all types together.
    pub accounts: BTreeMap<AccountId, u32>,
    /// Of a type, by its name, for each account by itself.
    pub types_of_each_account: BTreeMap<String, u32>,
}

/// As the settings of the same names say it.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(all: &BTreeMap<T, u32>) -> Option<String> {
            let each: Vec<String> = all.iter().map(|(of, most)| format!("{of}={most}")).collect();
            (!each.is_empty()).then(|| each.join(","))
        }
        let all = [
            ("types", list(&self.types)),
            ("eachAccount", self.each_account.map(|most| most.to_string())),
            ("accounts", list(&self.accounts)),
            ("typesOfEachAccount", list(&self.types_of_each_account)),
        ];
        let told: Vec<String> =
            all.into_iter().filter_map(|(key, of)| Some(format!("{key} {}", of?))).collect();
        f.write_str(if told.is_empty() { "none" } else { "" })?;
        f.write_str(&told.join("; "))
    }
}

/// What one limit counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitOf {
    /// Jobs of a type.
    Type(String),
    /// Jobs of an account.
    Account(AccountId),
    /// Jobs of a type of an account.
    TypeOfAccount(String, AccountId),
}

impl Limits {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limits that a job of that account and type counts against, each with its number.
    pub fn on(&self, account: AccountId, job_name: &str) -> Vec<(LimitOf, u32)> {
        let of_type = self.types.get(job_name).map(|most| (LimitOf::Type(job_name.to_owned()), *most));
        let of_account = self.accounts.get(&account).copied().or(self.each_account);
        let of_both = self.types_of_each_account.get(job_name);
        [
            of_type,
            of_account.map(|most| (LimitOf::Account(account), most)),
            of_both.map(|most| (LimitOf::TypeOfAccount(job_name.to_owned(), account), *most)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_the_settings_have_them() {
        assert_eq!(Limits::default().to_string(), "none");
        let limits = Limits {
            types: BTreeMap::from([("A".to_owned(), 4), ("B".to_owned(), 0)]),
            each_account: Some(5),
            accounts: BTreeMap::from([(AccountId::v4(1), 7)]),
            types_of_each_account: BTreeMap::from([("A".to_owned(), 1)]),
        };
        let account = AccountId::v4(1);
        assert_eq!(
            limits.to_string(),
            format!("types A=4,B=0; eachAccount 5; accounts {account}=7; typesOfEachAccount A=1")
        );
    }

    #[test]
    fn an_account_has_its_own_limit_or_that_of_each() {
        let (named, other) = (AccountId::v4(1), AccountId::v4(2));
        let limits = Limits {
            each_account: Some(5),
            accounts: BTreeMap::from([(named, 7)]),
            types_of_each_account: BTreeMap::from([("A".to_owned(), 1)]),
            ..Limits::default()
        };
        assert_eq!(limits.on(named, "B"), [(LimitOf::Account(named), 7)]);
        let both = [(LimitOf::Account(other), 5), (LimitOf::TypeOfAccount("A".to_owned(), other), 1)];
        assert_eq!(limits.on(other, "A"), both);
        assert!(Limits::default().on(named, "A").is_empty());
    }
}
