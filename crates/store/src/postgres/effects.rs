//! What is true at the same moment as a success: the effects of a transition. Rows are locked before they are read.

use longhaul_model::JobId;
use longhaul_model::resource::Effect;

use super::Result;
use super::tx::Tx;
use super::value::params;
use crate::StoreError;

impl Tx {
    /// Whether a transition of `job` may have these effects: an image becomes Ready by the job that makes it.
    pub(super) async fn check_effects(&self, effects: &[Effect], job: JobId) -> Result<()> {
        for effect in effects {
            if let Effect::SetImageReady { image, .. } = effect {
                let known = self.locked_image(*image).await?.ok_or(StoreError::NotFound)?;
                if !known.is_made_by(job) {
                    return Err(StoreError::Taken);
                }
            }
        }
        Ok(())
    }

    /// Does an effect of a transition.
    pub(super) async fn do_effect(&self, effect: &Effect) -> Result<()> {
        match effect {
            Effect::MoveVolume { volume, storage, install_path, format, actual_size } => {
                let mut record = self.locked_volume(*volume).await?.ok_or(StoreError::NotFound)?;
                record.storage = Some(*storage);
                record.install_path = Some(install_path.clone());
                record.format = Some(format.clone());
                record.actual_size = Some(*actual_size);
                record.make_ready();
                record.last_op_ms = self.now_ms().max(record.last_op_ms + 1);
                self.put_volume(&record, true).await
            }
            Effect::AddTrash(trash) => self.put_trash(trash.clone()).await.map(|_| ()),
            Effect::SetImageReady { image, backup_storage, install_path, facts } => {
                let mut record = self.locked_image(*image).await?.ok_or(StoreError::NotFound)?;
                record.make_ready(*backup_storage, install_path, facts, self.now_ms());
                record.last_op_ms = self.now_ms().max(record.last_op_ms + 1);
                self.put_image(&record, true).await
            }
            Effect::MoveImage { image, from, to, install_path, format } => {
                let mut record = self.locked_image(*image).await?.ok_or(StoreError::NotFound)?;
                if record.on(*from).is_none() {
                    return Err(StoreError::NotFound);
                }
                if record.on(*to).is_some() {
                    return Err(StoreError::Taken);
                }
                record.move_copy(*from, *to, install_path, format, self.now_ms());
                record.last_op_ms = self.now_ms().max(record.last_op_ms + 1);
                self.put_image(&record, true).await
            }
            Effect::LedgerDone(id) => {
                self.post("DELETE FROM intent WHERE id = $1", &params![*id]);
                Ok(())
            }
        }
    }
}
