//! The record of an image while a job makes it: begun together with its tags, gone on with and removed by that job alone.
//! The store refuses the end of any other (`Image::is_made_by`).
//!
//! A record that an earlier release began names no job. It is nobody's, unless a job's own checkpoint or ledger says that
//! it had begun with this image: that job takes it over. Whoever wants to be rid of one deletes the image.

use longhaul_engine::JobContext;
use longhaul_model::resource::{Image, IntentKind};
use longhaul_model::{Fault, ImageId, NewTag};

use super::add::CheckTags;
use super::request::Request;

/// Whether an earlier attempt of the job had begun with its image.
///
/// # Errors
/// The store does not answer.
pub(crate) async fn has_begun(context: &JobContext) -> Result<bool, Fault> {
    let of_an_image = |kind: &IntentKind| matches!(kind, IntentKind::ImageArtifact { .. });
    Ok(!context.checkpoint().is_empty() || context.intents().await?.iter().any(|i| of_an_image(&i.kind)))
}

/// The record that the job began; `None` where it has begun none.
///
/// # Errors
/// The uuid is another image's, or the image was deleted meanwhile.
pub(crate) async fn mine(context: &JobContext, id: ImageId) -> Result<Option<Image>, Fault> {
    let (job, begun) = (context.job().id, has_begun(context).await?);
    match context.inventory().find_image(id).await? {
        None if begun => Err(Fault::failed(format!("image [uuid:{id}] has been deleted"))),
        None => Ok(None),
        Some(image) if image.is_made_by(job) => Ok(Some(image)),
        Some(image) if begun && is_nobodys(&image, context) => take_over(context, id).await.map(Some),
        Some(_) => Err(belongs(id)),
    }
}

/// Stores the record with its tags.
///
/// # Errors
/// The uuid is another image's, or a tag is none of images.
pub(crate) async fn begin(
    context: &JobContext,
    known: &CheckTags,
    request: &Request,
    image: Image,
) -> Result<Image, Fault> {
    let system = known(&request.system_tags)?;
    let tag = |system: bool| move |text: &String| NewTag { system, text: text.clone() };
    let tags: Vec<_> = system.iter().map(tag(true)).chain(request.user_tags.iter().map(tag(false))).collect();
    context.inventory().create_image(Image { job: Some(context.job().id), ..image }, &tags).await
}

/// Removes the record of a job that is undone, if it is the job's. `begun` is what `has_begun` said before anything was
/// undone.
///
/// # Errors
/// The store does not answer.
pub(crate) async fn abandon(context: &JobContext, id: ImageId, begun: bool) -> Result<(), Fault> {
    let inventory = context.inventory();
    if begun && inventory.find_image(id).await?.is_some_and(|image| is_nobodys(&image, context)) {
        take_over(context, id).await?;
    }
    inventory.abandon_image(id, context.job().id).await.map(|_| ())
}

fn is_nobodys(image: &Image, context: &JobContext) -> bool {
    image.job.is_none() && image.is_under_way() && image.account == context.job().account
}

async fn take_over(context: &JobContext, id: ImageId) -> Result<Image, Fault> {
    let (job, inventory) = (context.job().id, context.inventory());
    let taken = inventory.change_image(id, |image| {
        if !is_nobodys(image, context) {
            return Err(belongs(id));
        }
        image.job = Some(job);
        Ok(())
    });
    taken.await
}

fn belongs(id: ImageId) -> Fault {
    Fault::invalid(format!(
        "the uuid[{id}] belongs to another image; choose another uuid, or delete that image first"
    ))
}
