//! A schema of its own behind a pgbouncer of its own. Both are gone when the test is.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::database::Schema;

/// What a run without a pooler is told.
const NO_POOLER: &str =
    "pgbouncer can't be started: install Debian's package pgbouncer (scripts/tools.sh does)";
/// Connections to the server. Fewer than the store has to the pooler, so that transactions change them.
const SERVER_CONNECTIONS: u32 = 5;

pub struct Pooled {
    place: String,
    directory: PathBuf,
    pooler: Child,
    /// Dropped when the pooler is gone, and its connections with it.
    schema: Schema,
}

impl Pooled {
    /// A new, empty schema behind a pooler of that mode.
    pub fn new(mode: &str) -> Self {
        let schema = Schema::new();
        let (server, _) = schema.url().split_once('?').expect("the schema is named in it");
        let server: Config = server.parse().expect("a URL");
        let directory = std::env::temp_dir().join(format!("pooled-{}", schema.name()));
        std::fs::create_dir(&directory).expect("a directory");
        let port = free_port();
        let user = server.get_user().expect("a user").to_owned();
        let password = String::from_utf8_lossy(server.get_password().expect("a password")).into_owned();
        let users = directory.join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).expect("written");
        let settings = directory.join("pgbouncer.ini");
        let text = settings_of(&server, schema.name(), mode, port, &users.display().to_string());
        std::fs::write(&settings, text).expect("written");
        for path in [&directory, &users, &settings] {
            let mode = if path.is_dir() { 0o755 } else { 0o644 }; // another user reads them
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("readable");
        }
        let database = server.get_dbname().unwrap_or(&user);
        let place = format!("{user}:{password}@127.0.0.1:{port}/{database}");
        let pooler = start(&settings);
        Self { place, directory, pooler, schema }
    }

    /// The schema, beside the pooler.
    #[allow(dead_code)] // not every test uses it
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Where a store finds it that knows of the pooler.
    pub fn url(&self) -> String {
        format!("postgres://{}?pooler=transaction&sslmode=disable", self.place)
    }

    /// Where a store finds it that knows nothing of it.
    pub fn plain_url(&self) -> String {
        format!("postgres://{}?sslmode=disable", self.place)
    }

    /// Ends the pooler with all its connections, and starts it again in its place.
    pub fn restart(&mut self) {
        self.end();
        self.pooler = start(&self.directory.join("pgbouncer.ini"));
    }

    fn end(&mut self) {
        let _ = self.pooler.kill();
        let _ = self.pooler.wait();
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn settings_of(server: &Config, schema: &str, mode: &str, port: u16, users: &str) -> String {
    let host = match server.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "127.0.0.1".to_owned(),
    };
    let server_port = server.get_ports().first().copied().unwrap_or(5432);
    format!(
        "[databases]
* = host={host} port={server_port} connect_query='SET search_path = {schema}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
server_reset_query = DISCARD ALL; SET search_path = {schema}
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 200
"
    )
}

/// Starts pgbouncer and waits until it says that it is up. It refuses to run as root.
fn start(settings: &std::path::Path) -> Child {
    let mut command = Command::new("pgbouncer");
    if rustix::process::getuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    let mut child = command.arg(settings).stderr(Stdio::piped()).spawn().expect(NO_POOLER);
    let said = BufReader::new(child.stderr.take().expect("piped"));
    let mut lines = said.lines().map_while(Result::ok);
    let mut heard = Vec::new();
    let is_up = lines.by_ref().any(|line| {
        heard.push(line);
        heard.last().is_some_and(|line| line.contains("process up"))
    });
    assert!(is_up, "{NO_POOLER}: {heard:?}");
    std::thread::spawn(move || lines.for_each(drop)); // what it says later must not fill the pipe
    child
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
