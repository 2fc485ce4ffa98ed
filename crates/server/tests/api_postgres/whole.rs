//! That this suite is what it says: its servers keep their data in PostgreSQL, and no module of `../api` is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::Server;

/// The modules of `../api` that are not run on PostgreSQL, each with its reason.
const ELSEWHERE: [(&str, &str); 29] = [
    ("bad_input", "bytes and connections, before a store is asked"),
    ("ceph", "what a pool holds"),
    ("ceph_images", "what a pool holds"),
    ("ceph_undo", "what a pool holds"),
    ("cli_images", "what the command line says of transfers"),
    ("conversions", "what a copy makes of a disk"),
    ("demo_pool", "a demo has an embedded store"),
    ("disks", "files and directories; what the store keeps of them is in the conformance suite"),
    ("documents", "pages of the documents"),
    ("evacuate", "copies; what it asks of the store for its jobs is in bulk and queue"),
    ("first_steps", "what lies in a data directory"),
    ("hooks", "receivers and their time; what the store keeps of them is in the conformance suite"),
    ("image_copies", "copies"),
    ("image_exports", "copies"),
    ("image_jobs", "copies, and a row that it breaks in the embedded store"),
    ("image_rows", "it needs images, which are copied"),
    ("image_sources", "bytes of other servers"),
    ("images", "copies"),
    ("imports", "copies"),
    ("large_answers", "room for answers in memory"),
    ("login_limits", "failed logins, which are counted in memory"),
    ("misuse", "requests that are no calls"),
    ("node_facts", "what the machine says"),
    ("not_here", "calls for which no store is asked"),
    ("openapi", "a document"),
    ("pace", "rates of copies"),
    ("shared", "mounts and their marks"),
    ("trash", "files"),
    ("uploads", "bytes on their way into a file"),
];

#[test]
fn what_these_servers_keep_is_in_postgresql_and_in_no_file() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &[]);
        let job = server.admin().job_in("Succeeded");
        assert!(server.rows_with(&job).iter().any(|row| row.contains(".job ")), "no row of the job");
        let left: Vec<_> = fs::read_dir(server.data_dir()).expect("the data directory").flatten().collect();
        assert!(left.iter().all(|file| !file.file_name().to_string_lossy().contains(".db")), "{left:?}");
    }
}

/// The modules that a root names.
fn modules(root: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(root).join("main.rs");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

#[test]
fn every_module_of_the_api_suite_runs_here_too_or_says_why_not() {
    let (all, mut here) = (modules("api"), modules("api_postgres"));
    assert!(here.remove("whole"), "this module");
    assert!(here.len() > 22, "too few to be the suite: {here:?}");
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(here.intersection(&elsewhere).collect::<Vec<_>>(), Vec::<&String>::new(), "both");
    assert_eq!(here.union(&elsewhere).cloned().collect::<BTreeSet<_>>(), all);
}
