//! Promises about an image and the job that makes it: its tags come with it, that job alone finishes or removes it. The
//! rest of images is in `images`.

use longhaul_model::resource::{Effect, Image, ImageFacts, ImageStatus, Tagged};
use longhaul_model::{BackupStorageId, Claim, ImageId, JobEvent, JobId, JobState, NewTag, Transition};

use super::Bench;
use crate::StoreError;
use crate::traits::TAGS_PER_RESOURCE_MAX;

async fn shelf(t: &Bench, url: &str) -> BackupStorageId {
    t.store.create_backup_storage(t.new_backup_storage(url)).await.unwrap().id
}

/// An image that `job` makes.
async fn made_by(t: &Bench, job: Option<JobId>, on: &[BackupStorageId]) -> Image {
    t.store.create_image(Image { job, ..t.new_image(on) }, &[]).await.unwrap()
}

fn ready(image: ImageId, on: BackupStorageId) -> Effect {
    let facts = ImageFacts {
        size: 1 << 30,
        actual_size: 4096,
        md5: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        blake3: "content".to_owned(),
        format: "qcow2".to_owned(),
    };
    Effect::SetImageReady { image, backup_storage: on, install_path: format!("/{on}"), facts }
}

async fn end(
    t: &Bench,
    claim: &Claim,
    event: JobEvent,
    effects: Vec<Effect>,
) -> Result<JobState, StoreError> {
    let transition = Transition { effects, ..Transition::plain(event) };
    t.store.apply(claim, transition).await.map(|job| job.state)
}

fn tag(system: bool, text: &str) -> NewTag {
    NewTag { system, text: text.to_owned() }
}

/// An image comes with its tags, each once.
pub async fn an_image_comes_with_its_tags(t: &Bench) {
    let place = shelf(t, "/a").await;
    let tags = [tag(true, "bootMode::UEFI"), tag(true, "bootMode::UEFI"), tag(false, "bootMode::UEFI")];
    let made = t.store.create_image(t.new_image(&[place]), &tags).await.unwrap();
    let mut stored = t.store.tags(&made.id.to_string()).await.unwrap();
    stored.sort_by_key(|tag| tag.system);
    let told: Vec<_> = stored.iter().map(|tag| (tag.system, tag.text.as_str())).collect();
    assert_eq!(told, [(false, "bootMode::UEFI"), (true, "bootMode::UEFI")]);
    assert!(stored.iter().all(|tag| tag.resource_type == Tagged::Image(made.id).resource_type()));
    assert_eq!(t.store.tag(stored[0].id).await, Ok(Some(stored[0].clone())));
}

/// An image whose tags cannot be stored is not stored either, nor tags of one that cannot be.
pub async fn an_image_without_its_tags_is_not_stored(t: &Bench) {
    let place = shelf(t, "/a").await;
    let many: Vec<_> = (0..=TAGS_PER_RESOURCE_MAX).map(|n| tag(false, &n.to_string())).collect();
    let new = t.new_image(&[place]);
    let full = StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX };
    assert_eq!(t.store.create_image(new.clone(), &many).await, Err(full));
    assert_eq!(t.store.image(new.id).await, Ok(None));
    assert_eq!(t.store.tags(&new.id.to_string()).await, Ok(Vec::new()));
    t.store.create_image(new.clone(), &many[1..]).await.unwrap();
    assert_eq!(t.store.create_image(new.clone(), &[tag(true, "more")]).await, Err(StoreError::Taken));
    assert_eq!(t.store.tags(&new.id.to_string()).await.unwrap().len(), TAGS_PER_RESOURCE_MAX);
}

/// The copy is complete at the moment when the job has succeeded.
pub async fn an_image_is_ready_with_the_success_of_its_job(t: &Bench) {
    let places = [shelf(t, "/a").await, shelf(t, "/b").await];
    let failed = t.submit_and_claim().await;
    let stored = made_by(t, Some(failed.job), &places).await;
    let effects = vec![ready(stored.id, places[0])];
    end(t, &failed, JobEvent::Fail, effects).await.unwrap();
    assert_eq!(t.store.image(stored.id).await, Ok(Some(stored.clone())), "without success nothing of it");
    let claim = t.submit_and_claim().await;
    let stored = made_by(t, Some(claim.job), &places).await;
    let effects = vec![ready(stored.id, places[0]), ready(stored.id, places[1])];
    assert_eq!(end(t, &claim, JobEvent::Succeed, effects).await, Ok(JobState::Succeeded));
    let image = t.store.image(stored.id).await.unwrap().unwrap();
    assert_eq!((image.status, image.size, image.actual_size), (ImageStatus::Ready, 1 << 30, 4096));
    assert_eq!((image.blake3.as_deref(), image.job), (Some("content"), Some(claim.job)));
    assert!(image.refs.iter().all(|r| r.status == ImageStatus::Ready));
    assert_eq!(image.on(places[1]).map(|r| r.install_path.clone()), Some(format!("/{}", places[1])));
    assert!(image.last_op_ms > stored.last_op_ms);
}

/// Whose copy was deleted under way is Ready with what is left.
pub async fn an_image_that_lost_a_copy_under_way_is_ready_with_the_rest(t: &Bench) {
    let places = [shelf(t, "/a").await, shelf(t, "/b").await];
    let claim = t.submit_and_claim().await;
    let mut stored = made_by(t, Some(claim.job), &places).await;
    stored.refs.retain(|copy| copy.backup_storage == places[0]);
    let seen_ms = stored.last_op_ms;
    let stored = t.store.update_image(stored, seen_ms).await.unwrap();
    let effects = vec![ready(stored.id, places[0]), ready(stored.id, places[1])];
    assert_eq!(end(t, &claim, JobEvent::Succeed, effects).await, Ok(JobState::Succeeded));
    let image = t.store.image(stored.id).await.unwrap().unwrap();
    assert_eq!((image.status, image.refs.len()), (ImageStatus::Ready, 1));
}

/// Bytes for an image that is gone make no success.
pub async fn a_copy_of_a_deleted_image_refuses_the_success(t: &Bench) {
    let place = shelf(t, "/a").await;
    let claim = t.submit_and_claim().await;
    let effects = vec![ready(ImageId::random(&*t.clock), place)];
    assert_eq!(end(t, &claim, JobEvent::Succeed, effects).await, Err(StoreError::NotFound));
    assert_eq!(t.state(claim.job).await, JobState::Running);
}

/// An image that another job makes, that nobody made, or that is Ready already, is finished by no one else.
pub async fn another_jobs_image_refuses_the_success(t: &Bench) {
    let place = shelf(t, "/a").await;
    let claim = t.submit_and_claim().await;
    let another = made_by(t, Some(JobId::random(&*t.clock)), &[place]).await;
    let nobodys = made_by(t, None, &[place]).await;
    let mut done = t.new_image(&[place]);
    (done.job, done.status) = (Some(claim.job), ImageStatus::Ready);
    let done = t.store.create_image(done, &[]).await.unwrap();
    for image in [&another, &nobodys, &done] {
        let effects = vec![ready(image.id, place)];
        assert_eq!(end(t, &claim, JobEvent::Succeed, effects).await, Err(StoreError::Taken));
        assert_eq!(t.store.image(image.id).await, Ok(Some(image.clone())), "nothing of it");
        assert_eq!(t.state(claim.job).await, JobState::Running);
    }
}

/// A job removes the image that it makes with its copies and tags, and no other.
pub async fn an_image_under_way_is_removed_by_its_job_alone(t: &Bench) {
    let place = shelf(t, "/a").await;
    let (job, other) = (JobId::random(&*t.clock), JobId::random(&*t.clock));
    let new = Image { job: Some(job), ..t.new_image(&[place]) };
    let made = t.store.create_image(new, &[tag(true, "qemuga")]).await.unwrap();
    assert_eq!(t.store.abandon_image(made.id, other).await, Ok(false));
    assert_eq!(t.store.image(made.id).await, Ok(Some(made.clone())));
    assert_eq!(t.store.abandon_image(made.id, job).await, Ok(true));
    assert_eq!(t.store.image(made.id).await, Ok(None));
    assert_eq!(t.store.tags(&made.id.to_string()).await, Ok(Vec::new()));
    assert_eq!(t.store.abandon_image(made.id, job).await, Ok(false), "it is gone");
    let mut done = t.new_image(&[place]);
    (done.job, done.status) = (Some(job), ImageStatus::Ready);
    let done = t.store.create_image(done, &[]).await.unwrap();
    assert_eq!(t.store.abandon_image(done.id, job).await, Ok(false), "it is done");
    let nobodys = made_by(t, None, &[place]).await;
    assert_eq!(t.store.abandon_image(nobodys.id, job).await, Ok(false), "it is nobody's");
    t.store.delete_image(nobodys.id).await.unwrap();
    t.store.delete_image(done.id).await.unwrap();
    assert_eq!(t.store.delete_backup_storage(place).await, Ok(()), "no copy is left");
}
