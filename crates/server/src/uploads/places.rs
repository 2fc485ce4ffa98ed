//! Places for requests that send bytes: so many in all, and so many for one account, so that no account keeps the others
//! out. What a request does with its place is its protocol's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use longhaul_model::AccountId;

/// Requests that send bytes at a time, over all uploads; each has a thread that writes.
pub const REQUESTS_MAX: usize = 128;
/// Of these for one account: two uploads with all the slices that one may have.
pub const ACCOUNT_REQUESTS_MAX: usize = 32;

/// Who sends at the moment.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<AccountId, usize>>);

/// The place of one request; dropped, it is free.
#[derive(Debug)]
pub struct Place<'a> {
    places: &'a Places,
    account: AccountId,
}

/// Why there is no place, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Full {
    /// There is none for anybody.
    All,
    /// This account has all of its own.
    Account,
}

impl Places {
    /// A place for a request of `account`.
    ///
    /// # Errors
    /// There is none.
    pub fn take(&self, account: AccountId) -> Result<Place<'_>, Full> {
        let mut taken = self.taken();
        if taken.get(&account).is_some_and(|own| *own >= ACCOUNT_REQUESTS_MAX) {
            return Err(Full::Account);
        }
        if taken.values().sum::<usize>() >= REQUESTS_MAX {
            return Err(Full::All);
        }
        *taken.entry(account).or_default() += 1;
        Ok(Place { places: self, account })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.account) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.account)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_own_places_and_all_together_have_no_more_than_there_are() {
        let places = Places::default();
        let account = AccountId::from_bits;
        let mut held: Vec<_> =
            (0..ACCOUNT_REQUESTS_MAX).map(|_| places.take(account(1)).expect("a place")).collect();
        assert_eq!(places.take(account(1)).err(), Some(Full::Account));
        for other in 2_u128.. {
            match places.take(account(other)) {
                Ok(place) => held.push(place),
                Err(full) => {
                    assert_eq!(full, Full::All);
                    break;
                }
            }
        }
        assert_eq!(held.len(), REQUESTS_MAX);
        held.remove(0);
        held.push(places.take(account(1)).expect("one is free again"));
        drop(held);
        assert!(places.taken().is_empty());
    }
}
