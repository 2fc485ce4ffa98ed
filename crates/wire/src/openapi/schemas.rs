//! All schemas by name: inventories and answers as their types describe them, the envelopes around them, the
//! request bodies.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, AnyOf, Array, Object, Schema, Type as Json};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::request;
use crate::api::{Answer, Kind, OWN_SINCE, operations};
use crate::error::{ErrorAnswer, ErrorBody};
use crate::inventory::*;
use crate::profile::Profile;

type Named = (String, RefOr<Schema>);

/// What an id looks like.
pub(super) fn uuid_pattern() -> &'static str {
    "^[0-9a-f]{32}$"
}

/// Every schema of the document of `profile`; plans are answered in `fast` only.
pub(super) fn all(profile: Profile) -> Vec<Named> {
    let mut all = Vec::new();
    of::<LongJobInventory>(&mut all, "2.3");
    of::<LongJobState>(&mut all, "2.3");
    of::<ErrorBody>(&mut all, "2.3");
    of::<ErrorAnswer>(&mut all, "2.3");
    of::<TaskProgressInventory>(&mut all, OWN_SINCE);
    of::<ProgressOpaque>(&mut all, OWN_SINCE);
    of::<ProgressParts>(&mut all, OWN_SINCE);
    of::<SessionInventory>(&mut all, OWN_SINCE);
    of::<AccountInventory>(&mut all, OWN_SINCE);
    of::<AccessKeyInventory>(&mut all, OWN_SINCE);
    of::<ManagementNodeInventory>(&mut all, OWN_SINCE);
    of::<ZoneInventory>(&mut all, OWN_SINCE);
    of::<PrimaryStorageInventory>(&mut all, OWN_SINCE);
    of::<BandwidthInventory>(&mut all, OWN_SINCE);
    of::<CephPrimaryStorageMonInventory>(&mut all, OWN_SINCE);
    of::<CephPrimaryStoragePoolInventory>(&mut all, OWN_SINCE);
    of::<ScanItemInventory>(&mut all, OWN_SINCE);
    of::<ScanStatus>(&mut all, OWN_SINCE);
    of::<VolumeInventory>(&mut all, OWN_SINCE);
    of::<BackupStorageInventory>(&mut all, OWN_SINCE);
    of::<ImageStoreBackupStorageInventory>(&mut all, OWN_SINCE);
    of::<CephBackupStorageInventory>(&mut all, OWN_SINCE);
    of::<ImageInventory>(&mut all, OWN_SINCE);
    of::<ImageBackupStorageRefInventory>(&mut all, OWN_SINCE);
    of::<TrashInventory>(&mut all, OWN_SINCE);
    of::<CleanUpTrashAnswer>(&mut all, OWN_SINCE);
    of::<ExportedImageAnswer>(&mut all, OWN_SINCE);
    of::<CleanTrashResult>(&mut all, OWN_SINCE);
    of::<TrashCleanupResult>(&mut all, OWN_SINCE);
    of::<TimelineInventory>(&mut all, OWN_SINCE);
    of::<ExplainAnswer>(&mut all, OWN_SINCE);
    of::<ExplainReason>(&mut all, OWN_SINCE);
    of::<ExplainedReason>(&mut all, OWN_SINCE);
    if profile == Profile::Fast {
        of::<PlanAnswer>(&mut all, OWN_SINCE);
    }
    of::<Plan>(&mut all, OWN_SINCE);
    of::<BulkAnswer>(&mut all, OWN_SINCE);
    of::<BulkOutcome>(&mut all, OWN_SINCE);
    of::<BulkResult>(&mut all, OWN_SINCE);
    of::<SystemTagInventory>(&mut all, OWN_SINCE);
    of::<UserTagInventory>(&mut all, OWN_SINCE);
    of::<GlobalConfigInventory>(&mut all, OWN_SINCE);
    of::<GlobalConfigOptions>(&mut all, OWN_SINCE);
    of::<GlobalConfigOptionsAnswer>(&mut all, OWN_SINCE);
    of::<JobTypeInventory>(&mut all, OWN_SINCE);
    of::<ValidateSessionAnswer>(&mut all, OWN_SINCE);
    of::<GetLoginProceduresAnswer>(&mut all, OWN_SINCE);
    of::<GetVersionAnswer>(&mut all, OWN_SINCE);
    of::<GetCurrentTimeAnswer>(&mut all, OWN_SINCE);
    of::<CurrentTime>(&mut all, OWN_SINCE);
    of::<GetPlatformTimeZoneAnswer>(&mut all, OWN_SINCE);
    of::<GetSupportAPIsAnswer>(&mut all, OWN_SINCE);
    of::<GetManagementNodeArchAnswer>(&mut all, OWN_SINCE);
    of::<GetManagementNodeOSAnswer>(&mut all, OWN_SINCE);
    of::<CapacityAnswer>(&mut all, OWN_SINCE);
    of::<EvacuationPlan>(&mut all, OWN_SINCE);
    of::<PlannedVolume>(&mut all, OWN_SINCE);
    of::<EvacuationReport>(&mut all, OWN_SINCE);
    of::<EvacuatedVolume>(&mut all, OWN_SINCE);
    of::<ArrivedVolume>(&mut all, OWN_SINCE);
    of::<UploadImageJobDetails>(&mut all, OWN_SINCE);
    of::<UploadImageJobDetailsAnswer>(&mut all, OWN_SINCE);
    of::<ZqlAnswer>(&mut all, OWN_SINCE);
    of::<ZqlResult>(&mut all, OWN_SINCE);
    of::<ZqlValue>(&mut all, OWN_SINCE);
    all.push(("Accepted".to_owned(), accepted()));
    all.extend(operations().filter_map(|r| envelope(r.answer, matches!(r.kind, Kind::Query(_)))));
    for row in operations().filter(|r| matches!(r.kind, Kind::Query(_))) {
        if let Answer::Inventories(name) = row.answer {
            all.extend(some_keys(&all, name));
        }
    }
    all.extend(request::body_schemas());
    all
}

fn of<T: ToSchema + PartialSchema>(all: &mut Vec<Named>, since: &str) {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        let extensions = Extensions::builder().add("x-since", since).build();
        object.extensions.get_or_insert_with(Default::default).merge(extensions);
    }
    all.push((T::name().into_owned(), schema));
}

/// The name of the schema of a whole answer.
pub(super) fn answer_name(answer: Answer, query: bool) -> String {
    let plain = |name: &str| name.trim_end_matches("Inventory").to_owned();
    match answer {
        Answer::Empty | Answer::Polled => "EmptyAnswer".to_owned(),
        Answer::Inventory(name) => plain(name) + "Answer",
        Answer::Inventories(name) if query => plain(name) + "QueryAnswer",
        Answer::Inventories(name) => plain(name) + "ListAnswer",
        Answer::Custom(name) => name.to_owned(),
    }
}

fn some_keys_name(inventory: &str) -> String {
    format!("{}Fields", inventory.trim_end_matches("Inventory"))
}

/// An inventory of which `fields` chose keys: nothing in it must be there.
fn some_keys(all: &[Named], inventory: &str) -> Option<Named> {
    let (_, schema) = all.iter().find(|(name, _)| name == inventory)?;
    let RefOr::T(Schema::Object(whole)) = schema else { return None };
    let mut part = whole.clone();
    part.required.clear();
    part.description = Some(format!("The keys of {inventory} that `fields` asked for"));
    Some((some_keys_name(inventory), part.into()))
}

/// The schema of an answer that is no type of its own.
fn envelope(answer: Answer, query: bool) -> Option<Named> {
    let object = Object::builder().schema_type(Json::Object);
    let object = match answer {
        Answer::Empty => object
            .description(Some("An empty object"))
            .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        Answer::Inventory(name) => object
            .description(Some("One resource"))
            .property("inventory", Ref::from_schema_name(name))
            .required("inventory")
            .property("schema", schema_map()),
        Answer::Inventories(name) => {
            let whole = Ref::from_schema_name(name);
            let mut list = if query {
                let rows = AnyOf::builder().item(whole).item(Ref::from_schema_name(some_keys_name(name)));
                let rows = rows.description(Some("Whole, or the keys that `fields` asked for")).build();
                Array::new(Schema::AnyOf(rows))
            } else {
                Array::new(whole)
            };
            list.max_items = Some(longhaul_model::query::LIMIT_MAX as usize);
            list.description = Some("The resources; absent if only their number was asked for".to_owned());
            let object =
                object.description(Some("Several resources")).property("inventories", Schema::Array(list));
            let object = object.property("schema", schema_map());
            if query {
                let total = Object::builder().schema_type(Json::Integer).minimum(Some(0.0));
                let about = "How many match in all; there if it was asked for";
                object.required("schema").property("total", total.description(Some(about)))
            } else {
                object.required("inventories")
            }
        }
        Answer::Custom(_) | Answer::Polled => return None,
    };
    Some((answer_name(answer, query), object.into()))
}

/// The schema map (rest-api.md 5.4).
fn schema_map() -> Object {
    Object::builder()
        .schema_type(Json::Object)
        .description(Some("The Java class of each object in the answer, by its path: `inventories[0]`"))
        .additional_properties(Some(schema_map_value()))
        .build()
}

fn schema_map_value() -> AdditionalProperties<Schema> {
    let text = Object::builder().schema_type(Json::String).max_length(Some(255));
    AdditionalProperties::RefOr(RefOr::T(text.into()))
}

/// The body of a 202 (rest-api.md 3.2).
fn accepted() -> RefOr<Schema> {
    let location = Object::builder().schema_type(Json::String).max_length(Some(2048));
    let timeout = Object::builder().schema_type(Json::Integer).minimum(Some(0.0));
    Object::builder()
        .schema_type(Json::Object)
        .description(Some("Where the result will be"))
        .property("location", location.description(Some("Absolute URL to poll with GET; no session needed")))
        .required("location")
        .property("apiTimeout", timeout.description(Some("How long the call may take, in milliseconds")))
        .required("apiTimeout")
        .into()
}
