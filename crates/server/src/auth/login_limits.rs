//! How often passwords may be tried. Failed logins are counted per account and address together, so that
//! nobody locks the owner of an account out from elsewhere; and per address over all accounts, so that one
//! password is not tried on all of them. Whoever reaches a limit waits; while waiting, nothing is tried and
//! the wait does not grow. Kept in memory, per node: a restart forgets it.
//!
//! An account is not limited over all addresses together: that would be a way to lock its owner out. What
//! slows many addresses down is the price of a hash (`password`).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhaul_model::{Code, Fault, Runtime};
use sha2::{Digest, Sha256};

/// Counts kept at most, of each kind; beyond, the stalest one that locks nothing is forgotten.
pub const TRACKED_MAX: usize = 10_000;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Failed logins to one account from one address; 0 is unlimited. Setting `login.failuresPerAccount`.
    pub per_account: u32,
    /// Failed logins from one address over all accounts; 0 is unlimited. Setting `login.failuresPerAddress`.
    pub per_address: u32,
    /// Failures are counted over so long from the first. Setting `login.windowSeconds`.
    pub window: Duration,
    /// Whoever reached a limit waits so long. Setting `login.lockSeconds`.
    pub lock: Duration,
}

/// An address, of IPv6 its /64: whoever has one address of a /64 has them all.
type Net = IpAddr;
/// The account's name, hashed: as long as any other, and no password that was typed as a name.
type Name = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Tally {
    failures: u32,
    since: Duration,
    locked_until: Option<Duration>,
}

impl Tally {
    fn counts(&self, now: Duration, window: Duration) -> bool {
        match self.locked_until {
            Some(until) => now < until,
            None => now.saturating_sub(self.since) < window,
        }
    }
}

#[derive(Default)]
struct Tallies {
    accounts: HashMap<(Net, Name), Tally>,
    addresses: HashMap<Net, Tally>,
}

/// The counts.
pub struct LoginLimits {
    allowed: Allowed,
    runtime: Arc<dyn Runtime>,
    tallies: Mutex<Tallies>,
}

impl LoginLimits {
    /// Nobody has failed yet.
    pub fn new(allowed: Allowed, runtime: Arc<dyn Runtime>) -> Self {
        Self { allowed, runtime, tallies: Mutex::default() }
    }

    fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a login to the account of that name may be tried from there now.
    ///
    /// # Errors
    /// `LoginLocked`, with how many seconds to wait.
    pub fn check(&self, name: &str, from: IpAddr) -> Result<(), Fault> {
        let now = self.runtime.monotonic();
        let net = net(from);
        let tallies = self.tallies();
        let wait = |tally: Option<&Tally>| {
            let left = tally?.locked_until?.checked_sub(now).filter(|left| !left.is_zero())?;
            Some(left.as_millis().div_ceil(1000))
        };
        if let Some(seconds) = wait(tallies.addresses.get(&net)) {
            return Err(locked(format!(
                "too many logins failed from this address; try again in {seconds} seconds, or from another address"
            )));
        }
        if let Some(seconds) = wait(tallies.accounts.get(&(net, hash(name)))) {
            return Err(locked(format!(
                "too many logins to this account failed from this address; try again in {seconds} seconds, or from another address"
            )));
        }
        Ok(())
    }

    /// A login to the account of that name failed from there.
    pub fn failed(&self, name: &str, from: IpAddr) {
        let now = self.runtime.monotonic();
        let net = net(from);
        let mut tallies = self.tallies();
        let account = self.count(&mut tallies.accounts, (net, hash(name)), self.allowed.per_account, now);
        let address = self.count(&mut tallies.addresses, net, self.allowed.per_address, now);
        if account || address {
            let seconds = self.allowed.lock.as_secs();
            tracing::warn!(address = %from, seconds, "too many failed logins; no more are tried for a while");
        }
    }

    /// A login to the account of that name succeeded from there: what failed before was a slip.
    pub fn succeeded(&self, name: &str, from: IpAddr) {
        let net = net(from);
        let mut tallies = self.tallies();
        let Some(slips) = tallies.accounts.remove(&(net, hash(name))) else { return };
        // Only these: an attacker with an account of his own must not wipe out what he tried on others.
        if let Some(address) = tallies.addresses.get_mut(&net).filter(|a| a.since <= slips.since) {
            address.failures = address.failures.saturating_sub(slips.failures);
        }
    }

    /// Counts one failure more; whether it is the one that locks.
    fn count<K: Copy + Eq + Hash>(
        &self,
        tallies: &mut HashMap<K, Tally>,
        key: K,
        limit: u32,
        now: Duration,
    ) -> bool {
        if limit == 0 {
            return false;
        }
        if !tallies.contains_key(&key) && tallies.len() >= TRACKED_MAX {
            make_room(tallies, now, self.allowed.window);
        }
        let fresh = Tally { failures: 0, since: now, locked_until: None };
        let tally = tallies.entry(key).or_insert(fresh);
        if !tally.counts(now, self.allowed.window) {
            *tally = fresh;
        }
        tally.failures = tally.failures.saturating_add(1);
        let locks = tally.locked_until.is_none() && tally.failures >= limit;
        if locks {
            tally.locked_until = Some(now + self.allowed.lock);
        }
        locks
    }
}

/// Drops what counts no more, or else the one tally that is missed least.
fn make_room<K: Copy + Eq + Hash>(tallies: &mut HashMap<K, Tally>, now: Duration, window: Duration) {
    tallies.retain(|_, tally| tally.counts(now, window));
    if tallies.len() < TRACKED_MAX {
        return;
    }
    let stalest =
        tallies.iter().min_by_key(|(_, t)| (t.locked_until.is_some(), t.since)).map(|(key, _)| *key);
    if let Some(key) = stalest {
        tallies.remove(&key);
    }
}

fn locked(details: String) -> Fault {
    Fault::new(Code::LoginLocked, details)
}

fn net(address: IpAddr) -> Net {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

fn hash(name: &str) -> Name {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    short
}

#[cfg(test)]
mod tests {
    use longhaul_store::conformance::HandClock;

    use super::*;

    const HOME: &str = "192.0.2.1";
    const AWAY: &str = "198.51.100.7";

    fn limits(per_account: u32, per_address: u32) -> (Arc<HandClock>, LoginLimits) {
        let clock = HandClock::new();
        let allowed = Allowed {
            per_account,
            per_address,
            window: Duration::from_secs(60),
            lock: Duration::from_secs(300),
        };
        (clock.clone(), LoginLimits::new(allowed, clock))
    }

    fn at(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    fn fail(limits: &LoginLimits, times: u32, name: &str, address: &str) {
        for _ in 0..times {
            limits.failed(name, at(address));
        }
    }

    fn is_locked(limits: &LoginLimits, name: &str, address: &str) -> bool {
        limits.check(name, at(address)).is_err()
    }

    #[test]
    fn the_owner_logs_in_from_home_while_an_attacker_is_locked_elsewhere() {
        let (_, limits) = limits(3, 100);
        fail(&limits, 2, "ann", AWAY);
        assert!(!is_locked(&limits, "ann", AWAY), "two of three");
        fail(&limits, 1, "ann", AWAY);
        assert!(is_locked(&limits, "ann", AWAY));
        assert!(!is_locked(&limits, "ann", HOME), "the owner, from elsewhere");
        assert!(!is_locked(&limits, "bob", AWAY), "somebody else beside the attacker");
        assert!(!is_locked(&limits, "Ann", AWAY), "a name is taken literally");
    }

    #[test]
    fn a_lock_says_when_it_ends_does_not_grow_and_ends_then() {
        let (clock, limits) = limits(3, 100);
        fail(&limits, 3, "ann", HOME);
        clock.advance(100_500);
        fail(&limits, 5, "ann", HOME);
        let told = limits.check("ann", at(HOME)).unwrap_err();
        assert_eq!(told.code, Code::LoginLocked);
        assert!(told.details.contains("try again in 200 seconds"), "{told}");
        clock.advance(199_499);
        assert!(limits.check("ann", at(HOME)).unwrap_err().details.contains("in 1 seconds"));
        clock.advance(1);
        assert!(!is_locked(&limits, "ann", HOME));
        fail(&limits, 2, "ann", HOME);
        assert!(!is_locked(&limits, "ann", HOME), "the count starts anew");
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_after_a_success() {
        let (clock, limits) = limits(3, 100);
        fail(&limits, 2, "ann", HOME);
        clock.advance(60_000);
        fail(&limits, 2, "ann", HOME);
        assert!(!is_locked(&limits, "ann", HOME));
        limits.succeeded("ann", at(HOME));
        fail(&limits, 2, "ann", HOME);
        assert!(!is_locked(&limits, "ann", HOME));
        fail(&limits, 1, "ann", HOME);
        assert!(is_locked(&limits, "ann", HOME));
    }

    #[test]
    fn an_address_that_fails_on_many_accounts_is_locked_for_all_of_them() {
        let (_, limits) = limits(3, 10);
        for n in 0..10 {
            assert!(!is_locked(&limits, "ann", AWAY), "after {n}");
            limits.failed(&format!("account {n}"), at(AWAY));
        }
        for name in ["ann", "account 1"] {
            assert!(is_locked(&limits, name, AWAY));
            assert!(!is_locked(&limits, name, HOME));
        }
    }

    #[test]
    fn an_account_of_his_own_does_not_help_an_attacker() {
        let (_, limits) = limits(3, 10);
        for n in 0..9 {
            limits.failed("mine", at(AWAY)); // a slip, taken back by the success
            limits.succeeded("mine", at(AWAY));
            limits.failed(&format!("account {n}"), at(AWAY));
            assert!(!is_locked(&limits, "mine", AWAY), "after {n}");
        }
        limits.failed("account 9", at(AWAY));
        assert!(is_locked(&limits, "mine", AWAY));
    }

    #[test]
    fn an_ipv6_address_stands_for_its_network_and_a_mapped_one_for_its_ipv4_address() {
        let (_, limits) = limits(1, 0);
        limits.failed("ann", at("2001:db8:1:2::1"));
        assert!(is_locked(&limits, "ann", "2001:db8:1:2:ffff::9"));
        assert!(!is_locked(&limits, "ann", "2001:db8:1:3::1"));
        limits.failed("ann", at("::ffff:192.0.2.1"));
        assert!(is_locked(&limits, "ann", HOME));
    }

    #[test]
    fn a_limit_of_0_is_none() {
        let (_, limits) = limits(0, 0);
        fail(&limits, 1000, "ann", HOME);
        assert!(!is_locked(&limits, "ann", HOME));
    }

    #[test]
    fn however_many_addresses_and_names_are_tried_the_counts_are_bounded_and_locks_stay() {
        let (clock, limits) = limits(2, 3);
        fail(&limits, 2, "ann", HOME);
        clock.advance(1);
        for n in 0..(TRACKED_MAX as u32 + 500) {
            limits.failed(&format!("name {n}"), IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        }
        let tallies = limits.tallies();
        assert_eq!((tallies.accounts.len(), tallies.addresses.len()), (TRACKED_MAX, TRACKED_MAX));
        drop(tallies);
        assert!(is_locked(&limits, "ann", HOME));
    }
}
