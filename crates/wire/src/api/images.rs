//! Rows of the images.
//!
//! Source: resources.md 7, rest-api.md 1.6.

use longhaul_model::query::Resource;

use super::{Answer, Kind, Method, Op, Operation, Target, Wrapper};

pub(super) const ROWS: &[Operation] = &[Operation {
    one_path: Some("/images/{uuid}"),
    kind: Kind::Query(Target::Stored(Resource::Image)),
    message_class: "org.zstack.header.image.APIQueryImageMsg",
    summary: "Query images; deleted ones are found by status=Deleted until they are expunged",
    answer: Answer::Inventories("ImageInventory"),
    ..Operation::new(Op::QueryImage, "QueryImage", Method::Get, "/images", Wrapper::None)
}];
