//! An OSD that hangs in the middle of a copy, with what is written to it still in the copying process's hands: that says in
//! time that the pool is away, and ends; another one goes on from its checkpoint. An OSD that is killed: `tests/kill`.

use std::fs;
use std::time::Duration;

use longhaul_engine::TokioRuntime;
use longhaul_jobs::attempt_io::Spawner;
use longhaul_jobs::copy::disk::Holder;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::OSD_TIMEOUT_S;
use longhaul_jobs::storage::{DiskError, Format};
use longhaul_model::Runtime;

use crate::cluster::{Alone, JOB, Named, exported, pool_named};
use crate::kills::copied_chunks;
use crate::support::{MIB, Pages, Place, child_program, dense, done, failed, outcome, spec, start};

/// More than the sockets between the two hold.
const DISK: u64 = 128 * MIB;
/// A write is two operations on an object; the rest is for a busy machine.
const IN_TIME: Duration = Duration::from_secs(6 * OSD_TIMEOUT_S as u64);

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::select! {
        done = what => done,
        () = TokioRuntime::new().sleep(IN_TIME) => panic!("nothing within {IN_TIME:?}"),
    }
}

#[tokio::test]
async fn an_osd_that_hangs_while_it_is_written_to_is_told_in_time_and_the_copy_goes_on_afterwards() {
    let (place, to) = (Place::new("rbd-hangs"), Named::new("hangs"));
    dense(&place.path("disk.raw"), DISK, 12);
    let spawner = Spawner::new(child_program());
    let mut work = spec(place.disk("disk.raw", Format::Raw), DiskRef::image(pool_named("ps-a"), to.image()));
    work.copy.checkpoint_interval_ms = 100;
    work.copy.holder = Holder { job: JOB.into(), token: 1 };
    let mut pages = Pages::new();
    // Before it begins: it must not be over when the OSD stops.
    let alone = Alone::wait();
    let mut attempt = start(&spawner, &work, &pages).await;
    copied_chunks(&mut attempt, &mut pages, 0, 2).await;
    let stopped = alone.stop_osd();
    let error = failed(in_time(outcome(&mut attempt, &mut pages)).await);
    assert!(matches!(error, DiskError::Away { .. }), "{error}");
    assert!(in_time(attempt.wait()).await.unwrap().success());
    drop(stopped);

    work.copy.holder.token = 2;
    let mut attempt = start(&spawner, &work, &pages).await;
    done(outcome(&mut attempt, &mut pages).await);
    assert!(exported(&to.0, &place.path("witness")) == fs::read(place.path("disk.raw")).unwrap());
}
