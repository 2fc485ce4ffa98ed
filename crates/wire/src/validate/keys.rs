//! What an access key may be named and may sign with.

use std::ops::RangeInclusive;

use longhaul_model::Fault;

use super::units;
use crate::api::{ACCESS_ID_UNITS, ACCESS_SECRET_UNITS};
use crate::decode::Call;

/// Checks the id and the secret of a new key.
pub(super) fn check(call: &Call) -> Result<(), Fault> {
    let (id, secret) = (call.params.text("AccessKeyID"), call.params.text("AccessKeySecret"));
    let Some(id) = id else {
        return match secret {
            // An id that is made up here is of no use with a secret that somebody already has in use.
            Some(_) => Err(Fault::invalid(
                "field[AccessKeySecret] needs field[AccessKeyID]; give both, or neither to have both made up",
            )),
            None => Ok(()),
        };
    };
    text("AccessKeyID", id, &ACCESS_ID_UNITS, "letters and digits", |b| b.is_ascii_alphanumeric())?;
    match secret {
        Some(secret) => {
            let what = "visible ASCII characters without spaces";
            text("AccessKeySecret", secret, &ACCESS_SECRET_UNITS, what, |b| b.is_ascii_graphic())
        }
        None => Err(Fault::invalid(
            "field[AccessKeyID] needs field[AccessKeySecret]; give both, or neither to have both made up",
        )),
    }
}

/// The value is never told: it may be a secret.
fn text(
    field: &str,
    text: &str,
    lengths: &RangeInclusive<usize>,
    what: &str,
    fits: fn(u8) -> bool,
) -> Result<(), Fault> {
    if lengths.contains(&units(text)) && text.bytes().all(fits) {
        return Ok(());
    }
    let (shortest, longest) = (lengths.start(), lengths.end());
    Err(Fault::invalid(format!("field[{field}] must be {shortest} to {longest} {what}")))
}
