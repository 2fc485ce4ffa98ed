//! The test: plant everything, walk everything, kill, look at everything.

use serde_json::json;

use crate::ground::Ground;
use crate::needle::Canaries;
use crate::process::World;
use crate::support::disks::Pool;
use crate::support::server::TempDir;
use crate::support::{Caller, Kind};

/// Who takes part, and what they have.
pub struct Cast {
    pub world: World,
    pub ground: Ground,
    pub canaries: Canaries,
    pub admin: Caller,
    pub ann: Caller,
    pub bob: Caller,
    /// The admin's, in clear.
    pub password: String,
    pub jobs: Vec<String>,
    pub sessions: Vec<String>,
    pub keys: Vec<String>,
    pub pools: Vec<Pool>,
    pub shelves: Vec<TempDir>,
}

impl Cast {
    fn new(profile: &'static str) -> Self {
        let mut canaries = Canaries::default();
        let password = canaries.text("the admin's password", &[]);
        let world = World::start(profile, Some(&password));
        let nobody = crate::ground::nobody(world.address);
        let mut cast = Self {
            admin: nobody.clone(),
            ann: nobody.clone(),
            bob: nobody,
            world,
            ground: Ground::default(),
            canaries,
            password: password.clone(),
            jobs: Vec::new(),
            sessions: Vec::new(),
            keys: Vec::new(),
            pools: Vec::new(),
            shelves: Vec::new(),
        };
        // In `fast` SDKs get 202 and a kept answer where curl gets the answer itself: both are here.
        cast.admin = cast.logged_in("admin", Kind::Java, &password);
        cast.ann = cast.account("ann", Kind::Plain);
        cast.bob = cast.account("bob", Kind::Go);
        cast
    }

    /// Who is meant.
    pub fn caller(&self, who: &str) -> Caller {
        match who {
            "admin" => self.admin.clone(),
            "ann" => self.ann.clone(),
            "bob" => self.bob.clone(),
            other => panic!("nobody is called {other}"),
        }
    }

    /// A kill and a start; everybody goes on at the new address.
    pub fn world_restarts(&mut self) {
        self.world.restart();
        let address = self.world.address;
        for caller in [&mut self.admin, &mut self.ann, &mut self.bob] {
            caller.address = address;
        }
    }

    fn client(&mut self) {
        let admin = self.admin.clone();
        let data = crate::jobs::secrets(&mut self.canaries, "a job of the command line");
        let name = self.canaries.word(
            "the name of a job of the command line, no secret",
            &[
                "cli",
                "admin: * #*/name",
                "admin: * #/result",
                "table job.name",
                "dump job",
                "file data/longhaul.db*",
            ],
        );
        let submit = ["job", "submit", "APISimulateJobMsg", "--name", &name, "--data", "@-"];
        let mut said = self.world.cli(&admin.session, &data.to_string(), &submit);
        let job = self.admin.get(&format!("/longjobs?q=name={name}")).ok()["inventories"][0]["uuid"].clone();
        let job =
            job.as_str().unwrap_or_else(|| panic!("no job: {}", String::from_utf8_lossy(&said))).to_owned();
        self.jobs.push(job.clone());
        let broken =
            format!("{{\"password\":\"{}", self.canaries.word("broken data of the command line", &[]));
        let wrong = self.canaries.text("a wrong password of the command line", &[]);
        let new = self.canaries.text("a password set by the command line", &[]);
        let no_token = self.canaries.word("a token that is none!", &[]);
        let password = self.password.clone();
        let calls: [(&str, &str, &[&str]); 12] = [
            (&admin.session, "", &["job", "show", &job]),
            (&admin.session, "", &["job", "show", &job, "-o", "json"]),
            (&admin.session, "", &["job", "list", "-o", "json"]),
            (&admin.session, "", &["job", "list"]),
            (&admin.session, &broken, &["job", "submit", "APISimulateJobMsg", "--data", "@-"]),
            ("", &wrong, &["login", "--account", "admin", "--password-file", "-"]),
            ("", &password, &["login", "--account", "admin", "--password-file", "-"]),
            ("", "", &["account", "list", "-o", "json"]),
            ("", &new, &["account", "create", "fred", "--password-file", "-"]),
            ("", &new, &["account", "password", "fred", "--password-file", "-"]),
            (&no_token, "", &["job", "list"]),
            ("", "", &["logout"]),
        ];
        for (session, stdin, arguments) in calls {
            said.extend(self.world.cli(session, stdin, arguments));
            said.push(b'\n');
        }
        self.ground.keep("cli", &said);
    }

    /// Everything that the server has left behind, after its end.
    fn remains(&mut self) {
        self.world.kill();
        for name in ["stdout", "stderr", "journal"] {
            self.ground.keep(name, &self.world.read(name));
        }
        self.ground.keep_files("data", &self.world.data_dir());
        self.ground.keep_files("tmp", &self.world.tmp());
        self.ground.keep_store(&self.world.copy_of_data().join("longhaul.db"));
        let listening = format!("listening on http://{}", self.world.address);
        self.canaries.known("the line that tells the address, no secret", &listening, &["stdout"]);
        let log = String::from_utf8_lossy(&self.world.read("stderr")).into_owned();
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn a_password_that_the_server_makes_up_is_in_its_file_alone() {
    let mut canaries = Canaries::default();
    let ground = Ground::default();
    let mut world = World::start("fast", None);
    let file = world.data_dir().join("admin-password");
    let password = std::fs::read_to_string(&file).expect("the password").trim().to_owned();
    canaries.known("the first password", &password, &["file data/admin-password"]);
    let admin = Caller::log_in(world.address, Kind::Java, "admin", &password);
    ground.ask("admin", &admin, "GET", "/accounts", "").ok();
    let said = world.cli("", &password, &["login", "--account", "admin", "--password-file", "-"]);
    ground.keep("cli", &said);
    world.restart();
    world.kill();
    ground.keep("stdout", &world.read("stdout"));
    ground.keep("stderr", &world.read("stderr"));
    ground.keep_files("data", &world.data_dir());
    ground.keep_store(&world.copy_of_data().join("longhaul.db"));
    let path = file.display().to_string();
    canaries.known("where it is, no secret", &path, &["stdout"]);
    let complaints = ground.complaints(&canaries);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn nothing_leaks(profile: &'static str) {
    let mut cast = Cast::new(profile);
    cast.simulated_jobs();
    cast.passwords();
    cast.sessions();
    cast.access_keys();
    cast.broken_bodies();
    cast.urls_and_headers();
    cast.queries();
    cast.legacy();
    cast.tags();
    cast.web_hooks();
    cast.client();
    let admin = cast.admin.clone();
    cast.copying_jobs(&admin);
    cast.jobs_on_images();
    cast.every_job_type_was_planted();
    cast.failing_store();
    let running = cast.jobs[1].clone();
    cast.canaries.known("a job in the journal, no secret", &running, &["journal", "*"]);
    cast.walk();
    cast.world_restarts();
    cast.walk();
    cast.remains();
    let complaints = cast.ground.complaints(&cast.canaries);
    let (pieces, bytes) = cast.ground.size();
    let planted = cast.canaries.all().len();
    println!("{}", json!({"profile": profile, "canaries": planted, "pieces": pieces, "bytes": bytes}));
    assert!(planted > 300 && pieces > 10_000 && bytes > 1 << 20, "{planted} {pieces} {bytes}");
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn no_secret_is_found_but_where_it_belongs_in_fast() {
    nothing_leaks("fast");
}

#[test]
fn no_secret_is_found_but_where_it_belongs_in_zstack() {
    nothing_leaks("zstack");
}
