//! Every kind of disk on its way to every kind: the server and its copying child killed at drawn moments of the copy,
//! the read-back and the switch-over, the OSD killed while it copies, and a cancel. Each migration ends bit for bit
//! as other programs see it, with little copied twice and nothing left behind. `LONGHAUL_MATRIX_KILLS` kills each
//! pair so often; `LONGHAUL_MATRIX_SEED` draws other moments; `scripts/kill-matrix.sh` runs it long.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{Client, MIGRATE, result, text};
use crate::cluster;
use crate::deck::{Kill, Moment, Victim, deal, log};
use crate::disks::{holders, throttle};
use crate::kinds::{Kind, Side, guest_sum};
use crate::place::{MIB, PATIENCE, Place, Seeded, raw_disk, setting, sha256, shown, until};
use crate::process::{self, Io};
use crate::server::{Plan, Server};

/// 32 chunks and a bit.
const DISK: u64 = 128 * MIB + 512;
/// A copy takes 2 s, and reading back too.
const RATE: u64 = 64 * MIB;
const CHECKPOINT_MS: u64 = 200;
/// Reading back, less the quarter of a second that the throttle gives in advance.
const READ_BACK: Duration = Duration::from_millis(DISK * 1000 / RATE - 250);
/// What one kill can cost: what was copied since the last checkpoint, and a chunk for each of the four streams.
const PER_KILL: u64 = RATE * CHECKPOINT_MS / 1000 + 4 * 4 * MIB;
/// An image's own tables, programs and settings that are read: nothing that grows with the disk.
const SLACK: u64 = 8 * MIB;
/// After so long without news the OSD has told everything: it tells every 5 s.
const OSD_TELLS: Duration = Duration::from_secs(6);

/// A pair of storages at one server, and a disk to be moved.
struct Matrix {
    place: Place,
    plan: Plan,
    server: Server,
    servers: Vec<u32>,
    from: Side,
    to: Side,
    master: PathBuf,
    sum: String,
    /// Sockets of the server when it had nothing to do.
    sockets: usize,
    /// The newest figures of each copier of this migration.
    seen: BTreeMap<u32, Io>,
}

/// A volume on its way.
struct Trip {
    volume: String,
    source: String,
    job: String,
    from_before: Vec<String>,
    to_before: Vec<String>,
    pool_before: Option<u64>,
}

impl Matrix {
    fn new(test: &str, from: Kind, to: Kind) -> Self {
        let place = Place::new(&format!("matrix-{test}"));
        let plan = Plan::new(&place)
            .set(&format!("copy.checkpointMillis={CHECKPOINT_MS}"))
            .set("storage.watchSeconds=1")
            .env("LONGHAUL_PAUSE_BEFORE_VERIFY", &shown(&place.path("read-back")))
            .env("LONGHAUL_PAUSE_BEFORE_SUCCESS", &shown(&place.path("before")))
            .env("LONGHAUL_PAUSE_AFTER_SUCCESS", &shown(&place.path("after")));
        let server = plan.start();
        let sockets = process::unix_sockets(server.pid());
        let from = Side::new(&server.client, from, test, "from", &place);
        let to = Side::new(&server.client, to, test, "to", &place);
        let master = place.path("master");
        raw_disk(&master, DISK, 42);
        let sum = sha256(&master);
        let servers = vec![server.pid()];
        Self { sockets, place, plan, server, servers, from, to, master, sum, seen: BTreeMap::new() }
    }

    fn client(&self) -> &Client {
        &self.server.client
    }

    /// A new disk on its way, at most `RATE` fast.
    fn sets_out(&mut self, name: &str) -> Trip {
        for hold in ["before", "after"] {
            let _ = fs::remove_file(self.place.path(hold).with_added_extension("reached"));
        }
        self.seen.clear();
        let source = self.from.put(name, &self.master);
        let volume = self.client().adopt(&self.from.uuid, &source);
        let (from_before, to_before) = (self.from.listing(), self.to.listing());
        let pool_before = self.to.pool_written();
        let mut data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": self.to.uuid});
        if self.to.kind != Kind::Rbd {
            data["format"] = json!(self.to.kind.format());
        }
        let job = self.client().submit(MIGRATE, &data, &[&throttle(RATE)]);
        Trip { volume, source, job, from_before, to_before, pool_before }
    }

    /// The copier, and its figures noted. Children that answer one question know no lease.
    fn watch(&mut self) -> Option<u32> {
        let copiers: Vec<u32> =
            self.server.copiers().into_iter().filter(|pid| process::has_thread(*pid, "lease")).collect();
        assert!(copiers.len() <= 1, "one copier at a time: {copiers:?}");
        let pid = *copiers.first()?;
        if let Some(io) = process::io(pid) {
            self.seen.insert(pid, io);
        }
        Some(pid)
    }

    /// Waits for a moment of the job; false when it is over by then.
    fn comes_to(&mut self, job: &str, moment: Moment) -> bool {
        let there = until(&format!("{moment:?}"), PATIENCE, || {
            let copier = self.watch();
            let hold = |name: &str| self.place.path(name).with_added_extension("reached").exists();
            match moment {
                Moment::Before => return hold("before").then_some(true),
                Moment::After => return hold("after").then_some(true),
                Moment::Copying(_) | Moment::ReadingBack(_) => {}
            }
            let now = self.client().job(job);
            if ["Succeeded", "Failed", "Canceled"].contains(&now["state"].as_str().unwrap()) {
                return Some(false);
            }
            let (stage, done, total) = self.client().progress(&now);
            let reached = match (moment, stage.as_str()) {
                (Moment::Copying(share), "copying") => done >= total * share / 1000,
                (Moment::Copying(_), "verifying") => true,
                // Held there.
                (Moment::ReadingBack(_), "copying") => total > 0 && done >= total,
                _ => false,
            };
            (reached && copier.is_some()).then_some(true)
        });
        if let (true, Moment::ReadingBack(share)) = (there, moment) {
            // What is told of it is up to a second old, so the time that has passed says where it is.
            fs::remove_file(self.place.path("read-back")).unwrap();
            std::thread::sleep(READ_BACK * u32::try_from(share).unwrap() / 1000);
        }
        there
    }

    /// Kills, and answers who it was.
    fn kill(&mut self, victim: Victim) -> &'static str {
        match (victim, self.watch()) {
            (Victim::Child, Some(copier)) => {
                if process::stop(copier) {
                    self.watch();
                }
                process::signal(copier, Signal::KILL);
                process::wait_gone(copier);
                "child"
            }
            _ => {
                assert!(process::stop(self.server.pid()));
                if let Some(copier) = self.watch() {
                    process::stop(copier);
                    self.watch();
                }
                let children = self.server.copiers();
                self.server.kill();
                children.into_iter().for_each(process::wait_gone);
                self.server = self.plan.start();
                self.servers.push(self.server.pid());
                "server"
            }
        }
    }

    /// One migration with these kills; how it went.
    fn killed(&mut self, name: &str, kills: &[Kill]) -> String {
        for (hold, moment) in [("before", Moment::Before), ("after", Moment::After)] {
            if kills.iter().any(|(m, _)| *m == moment) {
                fs::write(self.place.path(hold), "").unwrap();
            }
        }
        if kills.iter().any(|(moment, _)| matches!(moment, Moment::ReadingBack(_))) {
            fs::write(self.place.path("read-back"), "").unwrap();
        }
        let trip = self.sets_out(name);
        let mut told = Vec::new();
        for (moment, victim) in kills {
            let there = self.comes_to(&trip.job, *moment);
            assert!(there, "over before {moment}: {}\n{}", self.client().job(&trip.job), self.plan.log());
            told.push(format!("{}: {moment}", self.kill(*victim)));
            let hold = match moment {
                Moment::Before => "before",
                Moment::After => "after",
                _ => continue,
            };
            fs::remove_file(self.place.path(hold)).unwrap();
        }
        let again = self.arrives(&trip, Some(kills.len() as u64));
        format!("{} kills ({}); {again}", kills.len(), told.join(", "))
    }

    /// Waits for the end and looks at everything; what was copied again, if that is known after so many kills.
    fn arrives(&mut self, trip: &Trip, kills: Option<u64>) -> String {
        let job = until("the job is final", PATIENCE * 3, || {
            self.watch();
            let job = self.client().job(&trip.job);
            ["Succeeded", "Failed", "Canceled"].contains(&job["state"].as_str().unwrap()).then_some(job)
        });
        assert_eq!(job["state"], "Succeeded", "{job}\n{}", self.plan.log());
        let volume = self.client().volume(&trip.volume);
        assert_eq!(volume["primaryStorageUuid"], *self.to.uuid);
        assert_eq!((&volume["status"], &volume["format"]), (&json!("Ready"), &json!(self.to.kind.format())));
        let target = text(&volume["installPath"]);
        assert_eq!(result(&job)["migration"]["newInstallPath"], *target);
        let scratch = self.place.path("witness");
        assert_eq!(guest_sum(self.to.kind, &target, &scratch), self.sum, "the guest's bytes are the same");
        assert_eq!(guest_sum(self.from.kind, &trip.source, &scratch), self.sum, "the source is untouched");
        let mut expected = [trip.to_before.clone(), self.to.listed(&target, &trip.volume)].concat();
        expected.sort();
        assert_eq!(self.to.listing(), expected, "the copy and nothing else");
        assert_eq!(self.from.listing(), trip.from_before, "the source and nothing else");
        let trash = self.client().trash(&self.from.uuid);
        let swept = trash.iter().filter(|item| item["installPath"] == *trip.source).count();
        assert_eq!(swept, 1, "the source is in the trash once: {trash:?}");
        let ended = self.client().timeline(&trip.job);
        assert_eq!(ended.iter().filter(|r| r["kind"] == "succeeded").count(), 1, "it succeeded once");
        if let Some(image) = target.strip_prefix("ceph://") {
            cluster::assert_let_go(image);
        }
        self.assert_nothing_stray();
        kills.map_or_else(String::new, |kills| self.copied_again(trip, kills))
    }

    /// Of a directory by the kernel: what copiers wrote. Of a pool by the OSD, which tells late, and nothing after it
    /// was killed.
    fn copied_again(&self, trip: &Trip, kills: u64) -> String {
        let moved = match trip.pool_before {
            None => self.seen.values().map(|io| io.write_bytes).sum::<u64>(),
            Some(before) => {
                let mut last = (0, Instant::now());
                until("the OSD has told all", PATIENCE, || {
                    let now = self.to.pool_written().unwrap() - before;
                    if now != last.0 {
                        last = (now, Instant::now());
                    }
                    (now >= DISK && last.1.elapsed() >= OSD_TELLS).then_some(now)
                })
            }
        };
        let again = moved.saturating_sub(DISK);
        let bound = kills * PER_KILL + SLACK;
        assert!(moved >= DISK, "{moved} bytes are less than the disk: the witness saw not all");
        assert!(again <= bound, "{again} bytes were copied again, more than {bound}");
        format!("{} MiB again, at most {}", again / MIB, bound / MIB)
    }

    fn assert_nothing_stray(&self) {
        for side in [&self.from, &self.to] {
            assert_eq!(self.client().scan(&side.uuid), Vec::<Value>::new(), "records and disks are the same");
            if let Some(dir) = side.dir() {
                assert_eq!(holders(dir, self.server.pid()), Vec::<u32>::new(), "nobody holds a file there");
            }
        }
        assert_eq!(self.client().trash(&self.to.uuid), Vec::<Value>::new());
        until("no process is left", PATIENCE, || {
            self.servers.iter().all(|pid| process::copiers(*pid).is_empty()).then_some(())
        });
        let orphans = process::orphans(&self.servers);
        assert_eq!(orphans, Vec::<u32>::new(), "no copier outlives its server");
    }

    /// Canceled at a drawn moment, with or without a kill right after: as if it had never been.
    fn canceled(&mut self, name: &str, at: u64, kill: bool) {
        let trip = self.sets_out(name);
        assert!(self.comes_to(&trip.job, Moment::Copying(at)));
        self.client().cancel(&trip.job);
        if kill {
            self.kill(Victim::Server);
        }
        let job = self.client().final_job(&trip.job, PATIENCE);
        assert_eq!(job["state"], "Canceled", "{job}\n{}", self.plan.log());
        assert_eq!(result(&job)["receipt"]["notRemoved"], json!(null), "{job}");
        assert_eq!(self.client().volume(&trip.volume)["installPath"], *trip.source);
        assert_eq!((self.from.listing(), self.to.listing()), (trip.from_before, trip.to_before));
        let sum = guest_sum(self.from.kind, &trip.source, &self.place.path("witness"));
        assert_eq!(sum, self.sum, "the source is untouched");
        if let Some(image) = trip.source.strip_prefix("ceph://") {
            assert_eq!(cluster::snapshots(image), Vec::<String>::new());
            cluster::assert_let_go(image);
        }
        let trash = self.client().trash(&self.from.uuid);
        assert!(trash.iter().all(|item| item["installPath"] != *trip.source), "{trash:?}");
        self.assert_nothing_stray();
        self.expunge(&trip.volume);
    }

    fn expunge(&self, volume: &str) {
        self.client().ok("DELETE", &format!("/volumes/{volume}"), &json!({}));
        let body = json!({"expungeDataVolume": {}});
        self.client().ok("PUT", &format!("/volumes/{volume}/actions"), &body);
    }

    /// Cleans everything; both storages are as empty as they were at first, and the server holds no socket more than
    /// when it had just started.
    fn ends_clean(&mut self) {
        let volumes = self.client().many(&format!("/volumes?q=primaryStorageUuid={}", self.to.uuid));
        volumes.iter().for_each(|volume| self.expunge(&text(&volume["uuid"])));
        let path = format!("/primary-storage/{}/trash/actions", self.from.uuid);
        // A client that was killed is seen by the OSD for half a minute.
        until("the trash is clean", PATIENCE * 2, || {
            self.client().ok("PUT", &path, &json!({"cleanUpTrashOnPrimaryStorage": {}}));
            self.client().trash(&self.from.uuid).is_empty().then_some(())
        });
        for side in [&self.from, &self.to] {
            let left: Vec<String> = side.listing().into_iter().filter(|l| l.contains('/')).collect();
            assert_eq!(left, Vec::<String>::new(), "nothing is left");
        }
        until("no socket is left", PATIENCE, || {
            (process::unix_sockets(self.server.pid()) <= self.sockets).then_some(())
        });
    }
}

fn survives(number: u64, from: Kind, to: Kind) {
    let seed = setting("LONGHAUL_MATRIX_SEED", 1);
    let kills = setting("LONGHAUL_MATRIX_KILLS", 2);
    let pair = format!("{}-to-{}", from.name(), to.name());
    let ceph = from == Kind::Rbd || to == Kind::Rbd;
    let told = |what: &str| log(&format!("{pair} seed {seed}: {what}"));
    told(&format!("{kills} kills"));
    let mut rng = Seeded(seed * 0x9E37_79B9 + number + 1);
    let rounds = deal(number, kills, &mut rng);
    let (cancel_at, osd_at) = (rng.next() % 1000, rng.next() % 800);
    let turn = ceph.then(|| cluster::turn(false));
    let mut matrix = Matrix::new(&pair, from, to);
    for (n, round) in rounds.iter().enumerate() {
        let began = Instant::now();
        let how = matrix.killed(&format!("disk-{n}"), round);
        told(&format!("round {n}: {how}; bytes equal, nothing left; {:.1} s", began.elapsed().as_secs_f64()));
    }
    matrix.canceled("canceled", cancel_at, number.is_multiple_of(2));
    told(&format!("canceled, {}; nothing left", Moment::Copying(cancel_at)));
    if ceph {
        drop(turn);
        let _alone = cluster::turn(true);
        let trip = matrix.sets_out("osd");
        assert!(matrix.comes_to(&trip.job, Moment::Copying(osd_at)));
        cluster::kill_and_restart_osd();
        matrix.arrives(&trip, None);
        told(&format!("OSD killed and restarted, {}; bytes equal, nothing left", Moment::Copying(osd_at)));
    }
    let _turn = ceph.then(|| cluster::turn(false));
    matrix.ends_clean();
    told("both storages are empty again");
    drop(matrix);
}

#[test]
fn a_raw_disk_survives_kills_on_its_way_to_raw() {
    survives(0, Kind::Raw, Kind::Raw);
}

#[test]
fn a_raw_disk_survives_kills_on_its_way_to_qcow2() {
    survives(1, Kind::Raw, Kind::Qcow2);
}

#[test]
fn a_raw_disk_survives_kills_on_its_way_to_a_pool() {
    survives(2, Kind::Raw, Kind::Rbd);
}

#[test]
fn a_qcow2_image_survives_kills_on_its_way_to_raw() {
    survives(3, Kind::Qcow2, Kind::Raw);
}

#[test]
fn a_qcow2_image_survives_kills_on_its_way_to_qcow2() {
    survives(4, Kind::Qcow2, Kind::Qcow2);
}

#[test]
fn a_qcow2_image_survives_kills_on_its_way_to_a_pool() {
    survives(5, Kind::Qcow2, Kind::Rbd);
}

#[test]
fn an_image_of_a_pool_survives_kills_on_its_way_to_raw() {
    survives(6, Kind::Rbd, Kind::Raw);
}

#[test]
fn an_image_of_a_pool_survives_kills_on_its_way_to_qcow2() {
    survives(7, Kind::Rbd, Kind::Qcow2);
}

#[test]
fn an_image_of_a_pool_survives_kills_on_its_way_to_another_pool() {
    survives(8, Kind::Rbd, Kind::Rbd);
}
