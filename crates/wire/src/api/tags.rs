//! Rows of the tags. Which system tags are known on which resource is the server's to say.
//!
//! Source: rest-api.md 1.6.

use longhaul_model::query::Resource;
use longhaul_model::resource::Tagged;

use super::param::DELETE_MODE;
use super::{Answer, Kind, Method, Op, Operation, Param, Target, Wrapper};
use crate::validate::TAG_MAX;

const TYPE: Param = Param::text("resourceType", "The type of the resource").required().one_of(&Tagged::TYPES);
const RESOURCE: Param =
    Param::text("resourceUuid", "The uuid of the resource that gets the tag").required().of("ResourceVO");
const SYSTEM_TAG: Param =
    Param::text("tag", "The tag's text: one that is known on resources of that type").required().max(TAG_MAX);
const USER_TAG: Param = Param::text("tag", "The tag's text, whatever it is").required().max(TAG_MAX);

const fn create(op: Op, name: &'static str, path: &'static str) -> Operation {
    Operation::new(op, name, Method::Post, path, Wrapper::Params)
}

const fn query(op: Op, name: &'static str, path: &'static str, of: Resource) -> Operation {
    Operation {
        kind: Kind::Query(Target::Stored(of)),
        ..Operation::new(op, name, Method::Get, path, Wrapper::None)
    }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "org.zstack.header.tag.APICreateSystemTagMsg",
        summary: "Put a system tag on a job, a volume or a primary storage",
        params: &[TYPE, RESOURCE, SYSTEM_TAG],
        answer: Answer::Inventory("SystemTagInventory"),
        ..create(Op::CreateSystemTag, "CreateSystemTag", "/system-tags")
    },
    Operation {
        message_class: "org.zstack.header.tag.APICreateSystemTagsMsg",
        summary: "Put several system tags on a resource: all of them or none",
        params: &[
            Param::url_of("ResourceVO", "resourceUuid", "The uuid of the resource that gets the tags"),
            TYPE,
            Param::list("tags", "The tags' texts, at most 100").required().max(TAG_MAX),
        ],
        answer: Answer::Inventories("SystemTagInventory"),
        ..create(Op::CreateSystemTags, "CreateSystemTags", "/system-tags/{resourceUuid}/tags")
    },
    Operation {
        one_path: Some("/system-tags/{uuid}"),
        message_class: "org.zstack.header.tag.APIQuerySystemTagMsg",
        summary: "Query system tags",
        answer: Answer::Inventories("SystemTagInventory"),
        ..query(Op::QuerySystemTag, "QuerySystemTag", "/system-tags", Resource::SystemTag)
    },
    Operation {
        message_class: "org.zstack.header.tag.APIUpdateSystemTagMsg",
        summary: "Give a system tag another text",
        params: &[Param::url_of("SystemTagVO", "uuid", "The tag's uuid"), SYSTEM_TAG],
        answer: Answer::Inventory("SystemTagInventory"),
        ..Operation::new(
            Op::UpdateSystemTag,
            "UpdateSystemTag",
            Method::Put,
            "/system-tags/{uuid}/actions",
            Wrapper::Action("updateSystemTag"),
        )
    },
    Operation {
        message_class: "org.zstack.header.tag.APICreateUserTagMsg",
        summary: "Put a user tag on a job, a volume or a primary storage",
        params: &[TYPE, RESOURCE, USER_TAG],
        answer: Answer::Inventory("UserTagInventory"),
        ..create(Op::CreateUserTag, "CreateUserTag", "/user-tags")
    },
    Operation {
        one_path: Some("/user-tags/{uuid}"),
        message_class: "org.zstack.header.tag.APIQueryUserTagMsg",
        summary: "Query user tags",
        answer: Answer::Inventories("UserTagInventory"),
        ..query(Op::QueryUserTag, "QueryUserTag", "/user-tags", Resource::UserTag)
    },
    Operation {
        message_class: "org.zstack.header.tag.APIDeleteTagMsg",
        summary: "Delete a system tag or a user tag; an unknown one is no error",
        params: &[Param::url_of("TagVO", "uuid", "The tag's uuid"), DELETE_MODE],
        ..Operation::new(Op::DeleteTag, "DeleteTag", Method::Delete, "/tags/{uuid}", Wrapper::None)
    },
];
