//! Which settings there are: one table with key, default and meaning. How they are read is in `super`.

use crate::{hooks, images};

use super::store_url;

/// One setting.
pub struct Setting {
    /// Its key in the file; the environment's is `LONGHAUL_` and the key in capitals, words joined by `_`.
    pub key: &'static str,
    /// Its default, as text; empty = none.
    pub default: &'static str,
    /// What it means, with its unit and bounds.
    pub meaning: &'static str,
}

const fn setting(key: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { key, default, meaning }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        "127.0.0.1:8080",
        "Address and port of the API. Loopback unless told otherwise; port 0 takes a free one.",
    ),
    setting(
        "dataDir",
        "./longhaul-data",
        "Directory of the embedded store and the server's own files; made at the first start.",
    ),
    setting(
        store_url::KEY,
        "",
        "Where jobs are kept: postgres://USER@HOST:PORT/DATABASE, which several nodes share, or empty for the embedded store in dataDir. A password belongs into `store.passwordFile` or a file of passwords (PGPASSFILE), not on the command line.",
    ),
    setting(
        store_url::PASSWORD_FILE_KEY,
        "",
        "A file that holds the database's password and nothing else, readable by its owner only.",
    ),
    setting(
        "store.waitSeconds",
        "60",
        "How long a node that starts waits for a database that cannot be reached yet, 0 to 86400 seconds; 0 gives up at once. What no waiting mends, as a wrong password, ends the start at once.",
    ),
    setting(
        "secretKeyFile",
        "",
        "The key of secrets at rest, 32 bytes; empty is secret.key in dataDir. All nodes of a cluster need the same; another one is refused at start.",
    ),
    setting(
        "address",
        "",
        "How the other nodes and the clients reach this node's API, as http://10.0.0.7:8080; empty is where it listens, under the machine's name where that is every address.",
    ),
    setting("simulator", "false", "Whether the simulator's job types exist."),
    setting("simulatorJournal", "", "File to which simulated bodies append what they do."),
    setting(
        "demo",
        "false",
        "The resources of the public API reference with its published credentials; loopback only. Its data are thrown away unless dataDir is set; such a directory stays a demo's.",
    ),
    setting(
        "demoPool",
        "",
        "With `demo`: a Ceph pool that becomes the storage that the reference moves to, of the cluster that the variable CEPH_CONF names; empty is a directory.",
    ),
    setting("api.replies", "fast", "How callers are answered: fast or zstack."),
    setting("api.compatVersion", "5.2.1", "The version that getVersion answers."),
    setting("timezone", "", "Zone of times without one, as an IANA name; empty is the system's."),
    setting("engine.maxRunning", "64", "Jobs of built-in types that run at a time; 0 starts none."),
    setting(
        "engine.maxRunningSimulator",
        "",
        "Simulator jobs that run at a time; empty is unlimited, 0 starts none.",
    ),
    setting(
        "limits.types",
        "",
        "Jobs of a type that run at a time over all nodes, as APIPrimaryStorageMigrateVolumeMsg=4, separated by commas, at most 1000; each 0 to 100000, 0 starts none. Of a store of several nodes: any setting of limits puts all of this node's in force everywhere, an empty one lifts them, and without any those in force stay.",
    ),
    setting(
        "limits.eachAccount",
        "",
        "Jobs of each account that run at a time over all nodes, 0 to 100000; empty is unlimited.",
    ),
    setting(
        "limits.accounts",
        "",
        "The same for one account, in the place of that of each: UUID=NUMBER, separated by commas, at most 1000.",
    ),
    setting(
        "limits.typesOfEachAccount",
        "",
        "Jobs of a type that run at a time for each account, over all nodes; written as limits.types.",
    ),
    setting(
        "retention.seconds",
        "7776000",
        "A job that has ended is removed with its timeline after so many seconds; 0 never.",
    ),
    setting(
        "retention.jobs",
        "1000000",
        "So many jobs that have ended are kept, the newest; 0 is however many.",
    ),
    setting("engine.cancelDeadlineSeconds", "600", "After so many seconds a cancel is enforced, 1 to 86400."),
    setting(
        "copy.bytesPerSecond",
        "0",
        "Most bytes per second that one copy copies, and then reads back; 0 is unlimited.",
    ),
    setting(
        "copy.streams",
        "4",
        "Parallel streams of one copy, 1 to 16; from or to a pool 4 more, 16 at most.",
    ),
    setting("copy.checkpointMillis", "1000", "Between checkpoints of a copy, 100 to 60000 ms."),
    setting(
        "session.timeoutSeconds",
        "7200",
        "A session ends so many seconds after its last use, 1 to 31536000; less than 60 is for tests of expiry.",
    ),
    setting("session.maxPerAccount", "500", "Sessions of one account at a time, 1 to 100000."),
    setting(
        "login.failuresPerAccount",
        "10",
        "Failed logins to one account from one address until that address waits, 0 to 100000; 0 is unlimited.",
    ),
    setting(
        "login.failuresPerAddress",
        "100",
        "Failed logins from one address over all accounts until it waits, 0 to 100000; 0 is unlimited.",
    ),
    setting(
        "login.windowSeconds",
        "300",
        "Failed logins are counted over so many seconds from the first, 1 to 86400.",
    ),
    setting("login.lockSeconds", "300", "How long to wait after too many failed logins, 1 to 86400 seconds."),
    setting(
        "trustedProxies",
        "0",
        "How many proxies stand before the server and append to X-Forwarded-For, 0 to 16; 0 trusts no such header.",
    ),
    setting("accessKey.maxPerAccount", "20", "Access keys of one account, 1 to 1000."),
    setting(
        "store.cacheBytes",
        "16777216",
        "Page cache of the store's writer, in bytes; each of 4 readers has a quarter.",
    ),
    setting(
        "drainSeconds",
        "30",
        "How long a stopping server waits: for attempts to save a checkpoint, and for the end of jobs that could not go on from one, 0 to 3600.",
    ),
    setting(
        "storage.watchSeconds",
        "10",
        "Primary storages are looked at, and jobs that wait for one, every so many seconds, 1 to 3600.",
    ),
    setting(
        "storage.trashDays",
        "0",
        "Trash is removed by itself after so many days, 1 to 36500; 0 never. Never within 24 hours.",
    ),
    setting(
        "storage.trashLowWater",
        "0",
        "While a primary storage has less free, its oldest trash is removed: bytes, or 1% to 99% of the whole; 0 is off. Never within 24 hours.",
    ),
    setting(
        "volume.expungeSeconds",
        "259200",
        "A deleted volume is expunged after so many seconds; 0 never.",
    ),
    setting(
        hooks::EGRESS_KEY,
        "public,private",
        "Where web hooks may lead: public, private, ADDRESS:PORTS, NETWORK/PREFIX:PORTS, HOST:PORTS, at most 256. Loopback, link-local, multicast and metadata addresses need a rule with their address; a demo has one for loopback.",
    ),
    setting(
        images::EGRESS_KEY,
        "public,private",
        "Where images may be fetched from, written as for egress.webhooks; the same addresses need a rule of their own. A demo has one for loopback.",
    ),
    setting(
        images::FILE_ROOTS_KEY,
        "",
        "Directories below which file:// URLs of images may read, separated by colons, at most 64; empty: none.",
    ),
    setting(
        images::CA_FILE_KEY,
        "",
        "A file of certificates in PEM: authorities that https URLs of images may be of, besides those that the machine trusts.",
    ),
    setting("images.urlBytesMax", "17592186044416", "Bytes of an image by URL, 1048576 to 70368744177664."),
    setting("image.expungeSeconds", "259200", "A deleted image is expunged after so many seconds; 0 never."),
];

/// Variables of the environment that are no settings: name and meaning.
pub const VARIABLES: &[(&str, &str)] = &[
    (
        "LONGHAUL_ADMIN_PASSWORD",
        "The password, in clear, that the account admin gets at the first start on a data directory. Without it one is made up and left in the file `admin-password` of the data directory, which is removed when the password changes; one that waits in that file is taken and not replaced. Ignored at later starts and in a demo.",
    ),
    (
        "PGPASSFILE",
        "A file of the databases' passwords, as for psql; without it `.pgpass` in the home directory. Counts where neither the URL nor store.passwordFile has the password. PGPASSWORD, the password itself, counts before it.",
    ),
    ("LONGHAUL_CONFIG", "The file of settings, where `--config` names none."),
    (
        "LONGHAUL_LOG",
        "What is logged on stderr: `error`, `warn`, `info` (the default), `debug`, `trace`, or by module, as `info,longhaul_server::hooks=debug`. What the pools say of each connection to the database that breaks only with `deadpool` in it, as `info,deadpool=warn`.",
    ),
];
