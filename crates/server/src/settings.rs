//! The server's settings, read from defaults < file < environment < flags. An unknown key is refused with the nearest
//! known one. Which there are is in `table`; how keys are spelled, in `names`; where the store is, in `store_url`; limits of
//! jobs and how long they are kept, in `queue`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use jiff::tz::TimeZone;
use longhaul_jobs::manage::sweep::Rules;
use longhaul_model::Limits;
use longhaul_store::Kept;
use longhaul_wire::Profile;

use crate::auth::login_limits::Allowed;
use crate::bandwidth::{self, Configured};
use crate::egress::Egress;
use crate::hooks;
use crate::images;
use crate::janitor::trash;

mod names;
mod queue;
mod store_url;
mod table;

pub use names::variable;
pub(crate) use names::{meant_of, nearest_of};
pub(crate) use queue::check_types;
pub use store_url::{KEY as STORE_KEY, StoreUrl};
pub use table::{SETTINGS, Setting, VARIABLES};

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The server's directory.
    pub data_dir: PathBuf,
    /// Where jobs are kept; `None` is the embedded store.
    pub store: Option<StoreUrl>,
    /// How long a start waits for the database of the store, s; 0 gives up at once.
    pub store_wait_s: u64,
    /// The key of secrets at rest, where it is not in the server's directory.
    pub secret_key_file: Option<PathBuf>,
    /// Where other nodes reach this one's API; `None` is where it listens.
    pub address: Option<String>,
    /// Whether the simulator's job types exist.
    pub simulator: bool,
    /// The simulator's journal.
    pub simulator_journal: Option<PathBuf>,
    /// Demo data.
    pub demo: bool,
    /// The pool that the demo's volume moves to; `None` is a directory.
    pub demo_pool: Option<String>,
    /// How callers are answered.
    pub replies: Profile,
    /// What `getVersion` answers.
    pub compat_version: String,
    /// Zone of times without one.
    pub zone: TimeZone,
    /// Built-in jobs at a time.
    pub max_running: u32,
    /// Simulator jobs at a time.
    pub max_running_simulator: Option<u32>,
    /// Jobs at a time over all nodes, from this start on; `None` leaves those in force.
    pub limits: Option<Limits>,
    /// Which jobs are kept that have ended.
    pub kept: Kept,
    /// Until a cancel is enforced, s.
    pub cancel_deadline_s: u64,
    /// Copy rate; 0 = unlimited.
    pub copy_bytes_per_s: u64,
    /// Copy streams.
    pub copy_streams: u32,
    /// Between checkpoints of a copy, ms.
    pub copy_checkpoint_ms: u64,
    /// Sliding session timeout, s.
    pub session_timeout_s: u64,
    /// Sessions per account.
    pub sessions_max: u32,
    /// How often passwords may be tried.
    pub logins: Allowed,
    /// Proxies that append to `X-Forwarded-For`.
    pub trusted_proxies: u32,
    /// Access keys per account.
    pub keys_max: u32,
    /// The store's cache.
    pub store_cache_bytes: u64,
    /// Patience of a drain, s.
    pub drain_s: u64,
    /// Until a deleted volume is expunged, s; 0 = never.
    pub volume_expunge_s: u64,
    /// `storage.watchSeconds`
    pub storage_watch_s: u64,
    /// When trash is removed by itself.
    pub trash: Rules,
    /// Where web hooks may lead.
    pub egress_webhooks: Egress,
    /// The budgets of storages, as the file has them.
    pub bandwidth: Configured,
    /// Where images may be fetched from.
    pub egress_images: Egress,
    /// Below which directories files may become images.
    pub image_file_roots: Vec<PathBuf>,
    /// Certificates of authorities besides the machine's.
    pub image_ca_file: Option<PathBuf>,
    /// The largest image by its URL, in bytes.
    pub image_url_bytes_max: u64,
    /// Until a deleted image is expunged, s; 0 = never.
    pub image_expunge_s: u64,
}

/// Values by key, from the weakest source to the strongest.
#[derive(Debug, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, (String, String)>,
    /// For what is read from there again.
    file: Option<PathBuf>,
}

impl Layers {
    /// Adds the file's values.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or has an unknown key.
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let source = path.display().to_string();
        let read = config::Config::builder()
            .add_source(config::File::from(path).format(config::FileFormat::Toml))
            .build()
            .with_context(|| format!("the configuration file {source}"))?;
        let table: serde_json::Value =
            read.try_deserialize().with_context(|| format!("the configuration file {source}"))?;
        self.file = Some(path.to_owned());
        self.table("", &table, &source)
    }

    fn table(&mut self, prefix: &str, table: &serde_json::Value, source: &str) -> Result<()> {
        let Some(table) = table.as_object() else { bail!("{source}: [{prefix}] is not a table") };
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                serde_json::Value::Object(_) if bandwidth::is_of_a_storage(&key) => {}
                serde_json::Value::Object(entries) => {
                    if queue::is_no_limits(&key, entries) {
                        self.set(queue::TYPES_KEY, "", source)?;
                    }
                    self.table(&key, value, source)?;
                }
                serde_json::Value::String(text) => self.set(&key, text, source)?,
                serde_json::Value::Number(_) if !Self::takes_numbers(&key) => {
                    bail!("{source}: {key} = {value} must be a text; write it in quotes")
                }
                other => self.set(&key, &other.to_string(), source)?,
            }
        }
        Ok(())
    }

    /// Whether a bare number may stand for that setting: its default is a number, a flag, or nothing.
    fn takes_numbers(key: &str) -> bool {
        let known = SETTINGS.iter().find(|s| s.key.eq_ignore_ascii_case(key));
        known.is_none_or(|s| {
            matches!(s.default, "" | "true" | "false") || s.default.trim().parse::<u64>().is_ok()
        })
    }

    /// Adds what the environment says. Variables of the client (`LONGHAUL_TOKEN`, `LONGHAUL_URL`) and of
    /// tests are left alone.
    pub fn environment(&mut self, vars: impl Iterator<Item = (String, String)>) {
        let by_name: BTreeMap<String, &'static str> =
            SETTINGS.iter().map(|s| (variable(s.key), s.key)).collect();
        for (name, value) in vars {
            if let Some(key) = by_name.get(&name) {
                self.values.insert(key, (value, name));
            }
        }
    }

    /// Sets one value.
    ///
    /// # Errors
    /// The key is unknown; the one that is spelled like it is named.
    pub fn set(&mut self, key: &str, value: &str, source: &str) -> Result<()> {
        // The config library folds keys to lower case.
        let Some(known) = SETTINGS.iter().find(|s| s.key.eq_ignore_ascii_case(key)) else {
            bail!("{source}: there is no setting {key:?}; {}", names::meant(key));
        };
        self.values.insert(known.key, (value.to_owned(), source.to_owned()));
        Ok(())
    }

    /// Whether any source sets it.
    pub fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn text(&self, key: &'static str) -> &str {
        self.values.get(key).map_or_else(
            || SETTINGS.iter().find(|s| s.key == key).map_or("", |s| s.default),
            |(value, _)| value,
        )
    }

    fn wrong(&self, key: &'static str, must: &str) -> anyhow::Error {
        let source = self.values.get(key).map_or("the default", |(_, source)| source);
        let meaning = SETTINGS.iter().find(|s| s.key == key).map_or("", |s| s.meaning);
        anyhow!("{source}: {key} = {:?} must be {must}. {meaning}", self.text(key))
    }

    fn number(&self, key: &'static str, min: u64, max: u64) -> Result<u64> {
        let number = self.text(key).trim().parse::<u64>().ok().filter(|n| (min..=max).contains(n));
        number.ok_or_else(|| self.wrong(key, &format!("a whole number from {min} to {max}")))
    }

    fn flag(&self, key: &'static str) -> Result<bool> {
        match self.text(key).trim() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" | "" => Ok(false),
            _ => Err(self.wrong(key, "true or false")),
        }
    }

    fn path(&self, key: &'static str) -> Option<PathBuf> {
        Some(self.text(key)).filter(|t| !t.is_empty()).map(PathBuf::from)
    }

    /// The settings in force.
    ///
    /// # Errors
    /// A value is out of its bounds; key, source and meaning are named.
    pub fn settings(&self) -> Result<Settings> {
        let listen = self.text("listen").parse::<SocketAddr>();
        let listen = listen.map_err(|_| self.wrong("listen", "an address and a port, as 127.0.0.1:8080"))?;
        let demo = self.flag("demo")?;
        if demo && !listen.ip().is_loopback() {
            bail!(
                "--demo has well-known credentials and listens on loopback only, not on {}; leave --listen out or give a 127.0.0.1 address",
                listen.ip()
            );
        }
        let max_running_simulator = match self.text("engine.maxRunningSimulator") {
            "" => None,
            _ => Some(u32::try_from(self.number("engine.maxRunningSimulator", 0, u64::from(u32::MAX))?)?),
        };
        let zone = self.zone()?;
        let store = self.store(demo)?;
        Ok(Settings {
            listen,
            store_wait_s: self.number("store.waitSeconds", 0, 86_400)?,
            secret_key_file: self.path("secretKeyFile"),
            address: self.address()?,
            data_dir: self.path("dataDir").unwrap_or_else(|| PathBuf::from("./longhaul-data")),
            simulator: self.flag("simulator")?,
            simulator_journal: self.path("simulatorJournal"),
            demo,
            demo_pool: Some(self.text("demoPool").to_owned()).filter(|pool| !pool.is_empty()),
            replies: Profile::from_name(self.text("api.replies"))
                .ok_or_else(|| self.wrong("api.replies", "fast or zstack"))?,
            compat_version: self.text("api.compatVersion").to_owned(),
            max_running: u32::try_from(self.number("engine.maxRunning", 0, 100_000)?)?,
            max_running_simulator,
            limits: self.limits_of(store.is_none())?,
            store,
            kept: self.kept()?,
            cancel_deadline_s: self.number("engine.cancelDeadlineSeconds", 1, 86_400)?,
            copy_bytes_per_s: self.number("copy.bytesPerSecond", 0, u64::MAX)?,
            copy_streams: u32::try_from(self.number("copy.streams", 1, 16)?)?,
            copy_checkpoint_ms: self.number("copy.checkpointMillis", 100, 60_000)?,
            session_timeout_s: self.number("session.timeoutSeconds", 1, 31_536_000)?,
            sessions_max: u32::try_from(self.number("session.maxPerAccount", 1, 100_000)?)?,
            logins: self.logins()?,
            trusted_proxies: u32::try_from(self.number("trustedProxies", 0, 16)?)?,
            keys_max: u32::try_from(self.number("accessKey.maxPerAccount", 1, 1000)?)?,
            store_cache_bytes: self.number("store.cacheBytes", 1 << 20, 1 << 36)?,
            drain_s: self.number("drainSeconds", 0, 3600)?,
            storage_watch_s: self.number("storage.watchSeconds", 1, 3600)?,
            volume_expunge_s: self.number("volume.expungeSeconds", 0, u64::from(u32::MAX))?,
            trash: self.trash()?,
            egress_webhooks: self.egress(hooks::EGRESS_KEY, demo)?,
            bandwidth: Configured::read(self.file.as_deref(), zone.clone())?,
            zone,
            egress_images: self.egress(images::EGRESS_KEY, demo)?,
            image_file_roots: self.file_roots()?,
            image_ca_file: self.path(images::CA_FILE_KEY),
            image_url_bytes_max: self.number("images.urlBytesMax", 1 << 20, 1 << 46)?,
            image_expunge_s: self.number("image.expungeSeconds", 0, u64::from(u32::MAX))?,
        })
    }

    /// Where jobs are kept. Its value may hold a password, so that no error shows it.
    fn store(&self, demo: bool) -> Result<Option<StoreUrl>> {
        let Some((url, source)) = self.values.get(store_url::KEY).filter(|(url, _)| !url.is_empty()) else {
            return Ok(None);
        };
        if demo {
            bail!(
                "{source}: a demo has an embedded store, since its credentials are published; leave {} out",
                store_url::KEY
            );
        }
        let everybody_sees = source.starts_with("--");
        let password_file = self.path(store_url::PASSWORD_FILE_KEY);
        StoreUrl::read(url, everybody_sees, password_file.as_deref())
            .map(Some)
            .with_context(|| format!("{source}: {}", store_url::KEY))
    }

    fn address(&self) -> Result<Option<String>> {
        let address = self.text("address").trim_end_matches('/');
        let is_http = |text: &str| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        };
        match address {
            "" => Ok(None),
            url if is_http(url) && url.len() <= 255 => Ok(Some(url.to_owned())),
            _ => Err(self.wrong("address", "a URL as http://10.0.0.7:8080, of 255 characters at most")),
        }
    }

    fn logins(&self) -> Result<Allowed> {
        Ok(Allowed {
            per_account: u32::try_from(self.number("login.failuresPerAccount", 0, 100_000)?)?,
            per_address: u32::try_from(self.number("login.failuresPerAddress", 0, 100_000)?)?,
            window: Duration::from_secs(self.number("login.windowSeconds", 1, 86_400)?),
            lock: Duration::from_secs(self.number("login.lockSeconds", 1, 86_400)?),
        })
    }

    fn trash(&self) -> Result<Rules> {
        let (days, mark) = (self.number("storage.trashDays", 0, 36_500)?, "storage.trashLowWater");
        trash::rules(days, self.text(mark)).ok_or_else(|| self.wrong(mark, "a number of bytes, or 1% to 99%"))
    }

    /// The rules of one purpose. A demo, which listens on loopback only, also reaches loopback.
    fn egress(&self, key: &'static str, demo: bool) -> Result<Egress> {
        let rules = if demo && !self.is_set(key) { hooks::LOOPBACK_TOO } else { self.text(key) };
        Egress::parse(key, rules).map_err(|why| self.wrong(key, &format!("a list of rules, but {why}")))
    }

    fn file_roots(&self) -> Result<Vec<PathBuf>> {
        let key = images::FILE_ROOTS_KEY;
        let roots: Vec<_> = self.text(key).split(':').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
        let plain = |root: &PathBuf| root.is_absolute() && root != Path::new("/");
        if roots.len() > images::FILE_ROOTS_MAX || !roots.iter().all(plain) {
            return Err(self.wrong(key, "absolute directories other than /, separated by colons"));
        }
        Ok(roots)
    }

    fn zone(&self) -> Result<TimeZone> {
        match self.text("timezone") {
            "" => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
            name => TimeZone::get(name).map_err(|_| self.wrong("timezone", "an IANA name, as Europe/Berlin")),
        }
    }
}

#[cfg(test)]
mod tests;
