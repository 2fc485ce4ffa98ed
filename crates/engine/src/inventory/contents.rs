//! Images by what they contain, for who owns them.

use longhaul_model::query::{Field, Resource, Rows};
use longhaul_model::resource::Image;
use longhaul_model::{AccountId, Fault};

use super::{Inventory, all, equals};
use crate::fault::from_store;

impl Inventory {
    /// Ready images of an account whose stored bytes have that MD5, the first page.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn ready_images_of_md5(&self, account: AccountId, md5: &str) -> Result<Vec<Image>, Fault> {
        let conditions =
            vec![equals(Field::Md5Sum, md5.to_ascii_lowercase()), equals(Field::Status, "Ready".to_owned())];
        let answer = self.store.query(&all(Resource::Image, conditions)).await;
        match answer.map_err(|e| from_store(e, "the images"))?.rows {
            Rows::Images(rows) => Ok(rows.into_iter().filter(|image| image.account == account).collect()),
            _ => Err(Fault::internal("asked for images")),
        }
    }
}
