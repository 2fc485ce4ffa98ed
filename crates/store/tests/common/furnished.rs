//! A store with rows in every table, made through its traits alone; everything has its owner and its place.

use longhaul_model::progress::Progress;
use longhaul_model::resource::{
    AccessKey, Account, ApiOutcome, Config, Intent, IntentKind, Session, Tagged, Trash,
};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{
    Claim, Clock, HostId, JobEvent, JobId, KeyId, NewJob, NewTag, NodeId, Pages, SessionId, StorageId,
};
use longhaul_store::conformance::{Bench, SECOND};

/// What a test may look for.
#[allow(dead_code)] // not every test looks for all of it
pub struct Furnished {
    /// A Waiting job, ordered by a volume.
    pub waiting: JobId,
    /// A Running one with a checkpoint.
    pub running: Claim,
    /// A storage with trash.
    pub storage: StorageId,
    /// The newest number of a trash row, which is gone.
    pub last_trash: u64,
}

/// Fills the store.
pub async fn furnish(t: &Bench) -> Furnished {
    t.store.kept("host", &HostId::random(&*t.clock).to_string()).await.expect("kept");
    people(t).await;
    let storage = t.storage("/disks").await;
    let volume = t.store.create_volume(t.new_volume(storage.id, "/disks/1")).await.expect("stored");
    let shelf = t.store.create_backup_storage(t.new_backup_storage("/shelf")).await.expect("stored");
    t.store.create_image(t.new_image(&[shelf.id]), &[]).await.expect("stored");
    t.store.add_tags(Tagged::Volume(volume.id), false, &["nightly".to_owned()]).await.expect("tagged");
    t.store.put_config(config("identity", "session.timeout", "60")).await.expect("stored");
    t.store.put_config(config("identity", "session.maxConcurrent", "7")).await.expect("stored");
    t.store.create_record(t.hooked_record(Some(ApiOutcome::Empty))).await.expect("stored");
    t.store.create_record(t.record(None)).await.expect("stored");
    let mut last_trash = 0;
    for path in ["/disks/old", "/disks/older"] {
        last_trash = t.store.add_trash(trash(storage.id, path)).await.expect("stored").id;
    }
    t.store.remove_trash(last_trash).await.expect("removed");
    let (node, other) = (t.node().await, t.node().await);
    t.store.drain(other, true).await.expect("drained");
    assert_eq!(t.store.on_duty(other, "sweep").await, Ok(true));
    ended(t, node).await;
    let running = running(t, node).await;
    let kind = IntentKind::Artifact { path: "/disks/new".to_owned() };
    let intent = Intent {
        id: 0,
        job: running.job,
        token: running.token,
        kind,
        storage: Some(storage.id),
        create_ms: 0,
    };
    t.store.intend(&running, intent).await.expect("stored");
    let tags = vec![NewTag { system: true, text: "k::v".to_owned() }];
    let ordered =
        NewJob { tags, sealed_data: Some(vec![0, 255, 1]), ..t.new_ordered_job(&volume.id.to_string()) };
    let waiting = t.submit(NewJob { description: Some("größer\n\t\\".to_owned()), ..ordered }).await.0.id;
    Furnished { waiting, running, storage: storage.id, last_trash }
}

async fn people(t: &Bench) {
    t.store.create_account(Account { id: t.account, ..t.new_account("Ann") }).await.expect("stored");
    let gone = t.store.create_account(t.new_account("Bob")).await.expect("stored");
    t.store.delete_account(gone.id).await.expect("deleted");
    let session = Session {
        id: SessionId::random(&*t.clock),
        account: t.account,
        create_ms: t.clock.now_ms(),
        expires_ms: t.clock.now_ms() + 3_600_000,
    };
    t.store.create_session(&session, 10).await.expect("stored");
    let key = AccessKey {
        id: KeyId::random(&*t.clock),
        account: t.account,
        description: None,
        access_id: "Key0000001".to_owned(),
        sealed_secret: vec![0, 1, 2, 255],
        enabled: true,
        create_ms: 0,
        last_op_ms: 0,
    };
    t.store.create_key(key, 10).await.expect("stored");
}

/// Jobs that succeeded, failed and ran again, were canceled, and wait for another try.
async fn ended(t: &Bench, node: NodeId) {
    for (event, again) in [(JobEvent::Succeed, false), (JobEvent::Fail, true), (JobEvent::Suspend, false)] {
        let (job, _) = t.submit(t.new_job()).await;
        let claim = t.claim_as(node).await;
        t.clock.advance(SECOND);
        t.store.heartbeat(node).await.expect("renewed");
        t.apply(&claim, event).await.expect("applied");
        if again {
            t.rerun(job.id).await;
            let claim = t.claim_as(node).await;
            t.apply(&claim, JobEvent::Succeed).await.expect("applied");
        }
    }
    let (job, _) = t.submit(t.new_job()).await;
    t.change(job.id, TimelineKind::CancelRequested, JobEvent::Cancel).await.expect("canceled");
}

/// Two Running jobs with checkpoints and progress; answers the claim of the second.
async fn running(t: &Bench, node: NodeId) -> Claim {
    let mut last = None;
    for n in 1..=2 {
        t.submit(t.new_job()).await;
        let claim = t.claim_as(node).await;
        t.store.save_checkpoint(&claim, &Pages::from([(0, vec![n; 10]), (7, vec![])])).await.expect("saved");
        for percent in [10 * n, 20 * n] {
            let progress =
                Progress { percent, stage: "copying".to_owned(), ..Progress::none(t.clock.now_ms()) };
            t.store.save_progress(&[(claim, progress)]).await.expect("saved");
        }
        last = Some(claim);
    }
    last.expect("two of them")
}

fn config(category: &str, name: &str, value: &str) -> Config {
    Config { category: category.to_owned(), name: name.to_owned(), value: value.to_owned() }
}

fn trash(storage: StorageId, path: &str) -> Trash {
    Trash {
        id: 0,
        storage,
        resource_uuid: "r".to_owned(),
        resource_type: "VolumeVO".to_owned(),
        install_path: path.to_owned(),
        size: 4096,
        kind: "MigrateVolume".to_owned(),
        create_ms: 0,
    }
}
