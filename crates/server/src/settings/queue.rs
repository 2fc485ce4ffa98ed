//! The settings of the queue: how many jobs run at a time over all nodes, and for how long those are kept that have
//! ended. How limits are counted, and what is removed first, is in the store.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use longhaul_engine::Registry;
use longhaul_model::Limits;
use longhaul_model::limits::LIMITS_MAX;
use longhaul_store::Kept;

use super::{Layers, meant_of};

pub(super) const TYPES_KEY: &str = "limits.types";
const EACH_ACCOUNT_KEY: &str = "limits.eachAccount";
const ACCOUNTS_KEY: &str = "limits.accounts";
const TYPES_OF_EACH_ACCOUNT_KEY: &str = "limits.typesOfEachAccount";
const KEPT_SECONDS_KEY: &str = "retention.seconds";
const KEPT_JOBS_KEY: &str = "retention.jobs";

/// The highest number of a limit.
const ROOM_MAX: u32 = 100_000;

/// Whether a table of the file is that of the limits, and empty: it says that there are none.
pub(super) fn is_no_limits(key: &str, entries: &serde_json::Map<String, serde_json::Value>) -> bool {
    key.eq_ignore_ascii_case("limits") && entries.is_empty()
}

impl Layers {
    /// The limits that this node puts in force. Where none are spoken of, those in force stay, which others may have set;
    /// of an `embedded` store the settings of its one node are all there is, so that there are none then.
    pub(super) fn limits_of(&self, embedded: bool) -> Result<Option<Limits>> {
        let keys = [TYPES_KEY, EACH_ACCOUNT_KEY, ACCOUNTS_KEY, TYPES_OF_EACH_ACCOUNT_KEY];
        let is_told = embedded || keys.iter().any(|key| self.is_set(key));
        is_told.then(|| self.limits()).transpose()
    }

    fn limits(&self) -> Result<Limits> {
        let each_account = match self.text(EACH_ACCOUNT_KEY).trim() {
            "" => None,
            _ => Some(u32::try_from(self.number(EACH_ACCOUNT_KEY, 0, u64::from(ROOM_MAX))?)?),
        };
        let name = |text: &str| Some(text.to_owned()).filter(|name| !name.is_empty());
        Ok(Limits {
            types: self.numbered(TYPES_KEY, "a name of a job type", name)?,
            each_account,
            accounts: self.numbered(ACCOUNTS_KEY, "a uuid", |text| text.parse().ok())?,
            types_of_each_account: self.numbered(TYPES_OF_EACH_ACCOUNT_KEY, "a name of a job type", name)?,
        })
    }

    /// A list of `WHAT=NUMBER`, separated by commas.
    fn numbered<T: Ord>(
        &self,
        key: &'static str,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeMap<T, u32>> {
        let mut all = BTreeMap::new();
        for entry in self.text(key).split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parts = entry.split_once('=').and_then(|(of, most)| {
                let most = most.trim().parse().ok().filter(|most| *most <= ROOM_MAX)?;
                Some((read(of.trim())?, most))
            });
            let Some((of, most)) = parts else {
                let must = format!(
                    "{what}, = and a number from 0 to {ROOM_MAX}, separated by commas; {entry:?} is not"
                );
                return Err(self.wrong(key, &must));
            };
            if all.insert(of, most).is_some() {
                return Err(self.wrong(key, &format!("one number for each; {entry:?} is the second one")));
            }
        }
        if all.len() > LIMITS_MAX {
            return Err(self.wrong(key, &format!("a list of at most {LIMITS_MAX}")));
        }
        Ok(all)
    }

    pub(super) fn kept(&self) -> Result<Kept> {
        let seconds = i64::try_from(self.number(KEPT_SECONDS_KEY, 0, u64::from(u32::MAX))?)?;
        let jobs = self.number(KEPT_JOBS_KEY, 0, u64::from(u32::MAX))?;
        Ok(Kept {
            age_ms: Some(seconds * 1000).filter(|age_ms| *age_ms > 0),
            jobs: Some(jobs).filter(|jobs| *jobs > 0),
        })
    }
}

/// A limit of a type that there is not would limit nothing, and nobody would see it.
///
/// # Errors
/// One of `limits` names a job type that `registry` has never heard of; the one that was meant is named, or all.
pub(crate) fn check_types(limits: &Limits, registry: &Registry) -> Result<()> {
    let both = [(TYPES_KEY, &limits.types), (TYPES_OF_EACH_ACCOUNT_KEY, &limits.types_of_each_account)];
    for (key, types) in both {
        if let Some(name) = types.keys().find(|name| !registry.names().any(|known| known == name.as_str())) {
            bail!("{key}: there is no job type {name:?}; {}", meant_of(name, registry.names()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use longhaul_model::AccountId;

    use super::*;

    fn set(key: &str, value: &str) -> Result<crate::settings::Settings> {
        let mut layers = Layers::default();
        layers.set(key, value, "longhaul.toml")?;
        layers.settings()
    }

    #[test]
    fn there_are_no_limits_and_jobs_are_kept_for_90_days_unless_it_is_said() {
        let settings = Layers::default().settings().unwrap();
        assert_eq!(settings.limits, Some(Limits::default()), "the embedded store is this node's alone");
        assert_eq!(settings.kept, Kept { age_ms: Some(90 * 86_400_000), jobs: Some(1_000_000) });
        assert_eq!(set(KEPT_SECONDS_KEY, "0").unwrap().kept.age_ms, None);
        assert_eq!(set(KEPT_JOBS_KEY, "0").unwrap().kept.jobs, None);
    }

    #[test]
    fn limits_are_read_as_lists_of_names_with_a_number() {
        let read = |key: &str, value: &str| set(key, value).unwrap().limits.unwrap();
        let limits = read(TYPES_KEY, " A = 4,B=0, ");
        assert_eq!(limits.types, BTreeMap::from([("A".to_owned(), 4), ("B".to_owned(), 0)]));
        let limits = read(ACCOUNTS_KEY, "36c27e8ff05c4780bf6d2fa65700f22e=7");
        let account: AccountId = "36c27e8ff05c4780bf6d2fa65700f22e".parse().unwrap();
        assert_eq!(limits.accounts, BTreeMap::from([(account, 7)]));
        assert_eq!(read(EACH_ACCOUNT_KEY, "5").each_account, Some(5));
        let limits = read(TYPES_OF_EACH_ACCOUNT_KEY, "A=1");
        assert_eq!(limits.types_of_each_account, BTreeMap::from([("A".to_owned(), 1)]));
    }

    #[test]
    fn on_a_store_of_several_nodes_limits_that_are_not_spoken_of_stay_as_they_are() {
        let with = |text: &str| {
            let dir = crate::tempdir::TempDir::new("longhaul-limits").unwrap();
            let file = dir.path().join("longhaul.toml");
            std::fs::write(&file, text).unwrap();
            let mut layers = Layers::default();
            layers.file(&file).unwrap();
            layers.set("store.url", "postgresql://longhaul@db/longhaul", "longhaul.toml").unwrap();
            layers.settings().unwrap().limits
        };
        assert_eq!(with(""), None);
        assert_eq!(with("[retention]\njobs = 1"), None);
        assert_eq!(with("[limits]"), Some(Limits::default()), "an empty table says that there are none");
        assert_eq!(with("[limits]\ntypes = \"\""), Some(Limits::default()));
        assert_eq!(
            with("[limits]\neachAccount = 5"),
            Some(Limits { each_account: Some(5), ..Limits::default() })
        );
    }

    #[test]
    fn what_is_no_list_of_limits_is_refused_with_the_entry_that_is_wrong() {
        for (key, value, named) in [
            (TYPES_KEY, "A=4,B", "\"B\""),
            (TYPES_KEY, "A=-1", "\"A=-1\""),
            (TYPES_KEY, "A=100001", "100000"),
            (TYPES_KEY, "A=1,A=2", "\"A=2\""),
            (TYPES_KEY, "=1", "\"=1\""),
            (ACCOUNTS_KEY, "admin=1", "a uuid"),
            (EACH_ACCOUNT_KEY, "many", "0 to 100000"),
            (KEPT_SECONDS_KEY, "-1", "retention.seconds"),
        ] {
            let refused = set(key, value).unwrap_err().to_string();
            assert!(refused.contains(key) && refused.contains(named), "{value}: {refused}");
        }
        let many: Vec<_> = (0..=LIMITS_MAX).map(|n| format!("T{n}=1")).collect();
        assert!(set(TYPES_KEY, &many.join(",")).unwrap_err().to_string().contains("at most 1000"));
        assert!(set(TYPES_KEY, &many[1..].join(",")).is_ok());
    }

    #[test]
    fn a_limit_of_a_type_that_there_is_not_is_refused_with_the_nearest_one() {
        let registry = Registry::default().without("APISimulateJobMsg", "it is not here");
        let limits =
            |name: &str| Limits { types: BTreeMap::from([(name.to_owned(), 1)]), ..Limits::default() };
        let refused = check_types(&limits("APISimulatJobMsg"), &registry).unwrap_err().to_string();
        assert!(refused.contains(TYPES_KEY) && refused.contains("\"APISimulateJobMsg\""), "{refused}");
        let refused = check_types(&limits("Foo"), &registry).unwrap_err().to_string();
        assert!(
            !refused.contains("did you mean") && refused.contains("there are API"),
            "like none: {refused}"
        );
        assert!(check_types(&limits("APISimulateJobMsg"), &registry).is_ok(), "known, if not here");
    }
}
