//! One throttled migration, killed thirty times: in each tenth of the copy, while it reads back, right before and
//! right after the commit that switches over. Server and copying child are victims by turns. Each is stopped,
//! its `/proc/PID/io` read, then killed, so that what was copied again is the kernel's figure and not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::MIGRATE;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, Seeded, setting, shown, until};
use crate::process::{self, Io};

/// The unit of copying: a chunk is written and stored whole.
const CHUNK: u64 = 4 * MIB;
/// 4 MiB/s: 60 s for the disk.
const RATE: u64 = 4 * MIB;
const DISK: u64 = 60 * RATE + 1536;
const CHECKPOINT_MS: u64 = 1000;
/// The image's own tables, a checkpoint's pages: nothing that grows with kills.
const SLACK: u64 = 4 * MIB;

/// Files that hold the migration at a place for as long as they exist.
struct Holds {
    read_back: PathBuf,
    before: PathBuf,
    after: PathBuf,
}

struct Run {
    rig: Rig,
    holds: Holds,
    job: String,
    /// The newest figures of each copier that was ever seen.
    written: BTreeMap<u32, Io>,
    kills: u64,
}

impl Run {
    fn new(format: &'static str) -> Self {
        let mut holds = None;
        let rig = Rig::new(&format!("migration-{format}"), format, DISK, |place, plan| {
            let hold = |name: &str| {
                let file = place.path(name);
                fs::write(&file, "").unwrap();
                file
            };
            let h = Holds { read_back: hold("read-back"), before: hold("before"), after: hold("after") };
            let plan = plan
                .set(&format!("copy.checkpointMillis={CHECKPOINT_MS}"))
                .set(&format!("copy.bytesPerSecond={RATE}"))
                .env("LONGHAUL_PAUSE_BEFORE_VERIFY", &shown(&h.read_back))
                .env("LONGHAUL_PAUSE_BEFORE_SUCCESS", &shown(&h.before))
                .env("LONGHAUL_PAUSE_AFTER_SUCCESS", &shown(&h.after));
            holds = Some(h);
            plan
        });
        let job = rig.client().submit(MIGRATE, &rig.data(), &[]);
        Self { rig, holds: holds.unwrap(), job, written: BTreeMap::new(), kills: 0 }
    }

    /// Notes what copiers have written; the copier of now, if there is one.
    fn watch(&mut self) -> Option<u32> {
        let copiers = self.rig.server.copiers();
        assert!(copiers.len() <= 1, "one copier at a time: {copiers:?}");
        for pid in &copiers {
            if let Some(io) = process::io(*pid) {
                self.written.insert(*pid, io);
            }
        }
        copiers.first().copied()
    }

    /// Bytes copied, by what people are told.
    fn copied(&mut self) -> u64 {
        self.watch();
        let job = self.rig.client().job(&self.job);
        assert_eq!(job["state"], "Running", "{job}\n{}", self.rig.plan.log());
        match self.rig.client().progress(&job) {
            (stage, done, _) if stage == "copying" => done,
            (stage, _, _) if stage == "verifying" => DISK,
            _ => 0,
        }
    }

    fn kill_copier(&mut self, pid: u32) {
        if process::stop(pid) {
            self.watch();
        }
        process::signal(pid, Signal::KILL);
        process::wait_gone(pid);
        self.kills += 1;
    }

    fn kill_server(&mut self) {
        assert!(process::stop(self.rig.server.pid()));
        if let Some(copier) = self.rig.server.copiers().first() {
            process::stop(*copier);
            self.watch();
        }
        self.rig.kill_and_restart();
        self.kills += 1;
    }

    /// Waits at the end of the copy, right before the read-back; the copier.
    fn at_read_back(&mut self) -> u32 {
        until("all is copied", PATIENCE, || (self.copied() >= DISK - DISK % CHUNK).then_some(()));
        let mut last = (Io::default(), Instant::now());
        until("the copier rests before the read-back", PATIENCE, || {
            let pid = self.watch()?;
            let io = self.written[&pid];
            if io != last.0 {
                last = (io, Instant::now());
            }
            (self.copied() >= DISK && last.1.elapsed() > Duration::from_millis(500)).then_some(pid)
        })
    }

    /// Lets the read-back begin and stops the copier while it reads; false when it was too fast.
    fn stopped_reading_back(&mut self, pid: u32) -> bool {
        let before = process::io(pid).unwrap().rchar;
        fs::remove_file(&self.holds.read_back).unwrap();
        let end = Instant::now() + PATIENCE;
        while process::io(pid).is_some_and(|io| io.rchar < before + MIB) {
            assert!(Instant::now() < end, "it does not read back");
        }
        let stopped = process::stop(pid);
        let read = process::io(pid).map_or(DISK, |io| io.rchar - before);
        fs::write(&self.holds.read_back, "").unwrap();
        println!("stopped when {} MiB were read back", read / MIB);
        stopped && read < DISK
    }
}

fn reached(hold: &std::path::Path) -> PathBuf {
    hold.with_added_extension("reached")
}

fn survives(format: &'static str) {
    let kills = setting("LONGHAUL_MIGRATION_KILLS", 30).max(13);
    let mut run = Run::new(format);
    let began = Instant::now();
    let mut rng = Seeded(11);
    let mut tenths = BTreeSet::new();
    let in_copy = kills - 3;
    for n in 0..in_copy {
        let at = DISK * (2 * n + 1) / (2 * in_copy);
        let copied = until("the copy comes forward", PATIENCE, || {
            let copied = run.copied();
            (copied >= at && run.watch().is_some()).then_some(copied)
        });
        // At times right when a chunk was written, at times somewhere in between.
        if n % 3 != 0 {
            std::thread::sleep(Duration::from_millis(rng.next() % 400));
        }
        tenths.insert(copied.min(DISK - 1) * 10 / DISK);
        match run.watch().filter(|_| n % 2 == 0) {
            Some(copier) => run.kill_copier(copier),
            None => run.kill_server(),
        }
    }
    assert_eq!(tenths.len(), 10, "a kill in each tenth of the copy: {tenths:?}");
    until("a kill while it reads back", PATIENCE, || {
        let copier = run.at_read_back();
        let caught = run.stopped_reading_back(copier);
        // The rest reads back without a limit: it is long enough as it is.
        run.rig.plan = run.rig.plan.clone().set("copy.bytesPerSecond=0");
        run.kill_server();
        caught.then_some(())
    });
    run.at_read_back();
    fs::remove_file(&run.holds.read_back).unwrap();
    until("the success is about to be written", PATIENCE, || {
        reached(&run.holds.before).exists().then_some(())
    });
    assert_eq!(run.rig.client().state(&run.job), "Running");
    assert_eq!(run.rig.client().volume(&run.rig.volume)["primaryStorageUuid"], *run.rig.from_uuid);
    run.kill_server();
    fs::remove_file(&run.holds.before).unwrap();
    until("the success was just written", PATIENCE, || {
        run.watch();
        reached(&run.holds.after).exists().then_some(())
    });
    assert_eq!(run.rig.client().state(&run.job), "Succeeded");
    run.kill_server();
    fs::remove_file(&run.holds.after).unwrap();
    let job = run.rig.client().final_job(&run.job, PATIENCE);
    run.rig.assert_moved(&job);
    let written: u64 = run.written.values().map(|io| io.write_bytes).sum();
    let again = written.saturating_sub(DISK);
    let bound = run.kills * RATE * CHECKPOINT_MS / 1000 + SLACK;
    println!(
        "{format}: {} kills in {:?}, {} copiers, {} MiB written for {} MiB: {} MiB again, at most {}",
        run.kills,
        began.elapsed(),
        run.written.len(),
        written / MIB,
        DISK / MIB,
        again / MIB,
        bound / MIB
    );
    assert!(written >= DISK, "{written} bytes are less than the disk: the witness saw not all");
    assert!(again <= bound, "{again} bytes were copied again, more than {bound}");
}

#[test]
fn a_raw_migration_survives_thirty_kills_bit_for_bit() {
    survives("raw");
}

#[test]
fn a_qcow2_migration_survives_thirty_kills_bit_for_bit() {
    survives("qcow2");
}
