//! The source of a copy, kept from writers from before the copy begins until the switch-over is written: a file by
//! a lock of this process, an image by the child that copied it, which stays.

use std::time::Duration;

use longhaul_engine::JobContext;
use longhaul_model::Fault;

use crate::attempt_io::{Attempt, FromChild, ToChild};
use crate::copy::disk::DiskRef;
use crate::manage::blocking;
use crate::manage::fault::from_disk;
use crate::storage::{DiskError, Root, SourceGuard};

/// How long the last look at an image may take: a question for each of its objects, at worst.
const LOOK_WITHIN: Duration = Duration::from_secs(120);

/// A child that holds its image after the copy. Dropped before the image was found unchanged it ends and leaves
/// its snapshot, for the next attempt goes on from that; afterwards it gives the image back.
#[derive(Debug)]
pub struct HeldImage {
    child: Option<Attempt>,
    found_unchanged: bool,
}

impl HeldImage {
    pub(super) fn new(child: Attempt) -> Self {
        Self { child: Some(child), found_unchanged: false }
    }

    async fn check(&mut self, context: &JobContext, source: &DiskRef) -> Result<(), Fault> {
        let Some(child) = &mut self.child else { return Err(Fault::internal("the source was given back")) };
        let asked = async {
            child.send(&ToChild::CheckSource).await?;
            child.next_event().await
        };
        let told = tokio::select! {
            told = asked => told,
            () = context.runtime().sleep(LOOK_WITHIN) => Ok(None),
        };
        match told {
            Ok(Some(FromChild::SourceUnchanged)) => {
                self.found_unchanged = true;
                Ok(())
            }
            Ok(Some(FromChild::Failed { error })) => Err(from_disk(error)),
            _ => Err(from_disk(DiskError::Away {
                path: source.path_for_people(),
                reason: "whether it changed could not be seen in time".to_owned(),
            })),
        }
    }
}

impl Drop for HeldImage {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if self.found_unchanged { child.release() } else { child.leave() }
    }
}

/// What keeps a source from writers. The switch-over is written before it is dropped.
#[derive(Debug)]
pub enum Guard {
    /// A lock of this process.
    File(SourceGuard),
    /// An image: nothing, until its copy is made and the child holds it.
    Copied(Option<HeldImage>),
}

impl Guard {
    /// Takes and keeps the lock that stops every QEMU from opening a file for writing. The lock of an image is
    /// taken by its copy.
    ///
    /// # Errors
    /// A process holds the disk.
    pub async fn new(source: &DiskRef) -> Result<Self, Fault> {
        let DiskRef::File { root, path, .. } = source.clone() else { return Ok(Self::Copied(None)) };
        blocking(move || SourceGuard::new(&Root::open(&root)?, &path)).await.map(Self::File)
    }

    /// Proves right before the switch-over that the source is what was copied, as it was copied. `held` is the
    /// image's child, of `Carried`.
    ///
    /// # Errors
    /// It was written to, or another is in its place.
    pub async fn unchanged(
        self,
        context: &JobContext,
        source: &DiskRef,
        held: Option<HeldImage>,
    ) -> Result<Self, Fault> {
        match (self, source.clone()) {
            (Self::File(guard), DiskRef::File { root, path, .. }) => {
                blocking(move || {
                    guard.unchanged(&Root::open(&root)?, &path)?;
                    Ok(Self::File(guard))
                })
                .await
            }
            (guard, _) => {
                let held = match guard {
                    Self::Copied(Some(before)) => Some(before),
                    _ => held,
                };
                let Some(mut held) = held else {
                    return Err(Fault::internal("the source is not held; nothing was switched over"));
                };
                held.check(context, source).await?;
                Ok(Self::Copied(Some(held)))
            }
        }
    }
}
