//! Rows of the volumes.
//!
//! Source: resources.md 3.1 (migration) and 4; adopt, import and forget are ours.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, LONG_API_TIMEOUT_MS, Method, Op, Operation, Param, Target, Wrapper};

const VOLUME: Param = Param::url_of("VolumeVO", "uuid", "The volume's uuid");
const STORAGE: Param = Param::text("primaryStorageUuid", "The primary storage's uuid").of("PrimaryStorageVO");
const NAME: Param = Param::text("name", "For people").max(NAME_MAX);
const DESCRIPTION: Param = Param::text("description", "For people").max(DESCRIPTION_MAX);
const ACTIONS: &str = "/volumes/{uuid}/actions";
const INVENTORY: Answer = Answer::Inventory("VolumeInventory");
/// 3 hours, in ms (resources.md 4.1).
const CREATE_TIMEOUT_MS: u64 = 10_800_000;

const fn action(op: Op, name: &'static str, key: &'static str) -> Operation {
    Operation { params: &[VOLUME], ..Operation::new(op, name, Method::Put, ACTIONS, Wrapper::Action(key)) }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "org.zstack.header.volume.APICreateDataVolumeMsg",
        summary: "Create a data volume",
        params: &[
            NAME.required(),
            DESCRIPTION,
            Param::int("diskSize", "Virtual size in bytes, 0 or more; absent: 0"),
            Param::text("diskOfferingUuid", "There are no disk offerings here, so each is refused")
                .of("DiskOfferingVO"),
            STORAGE,
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        api_timeout_ms: CREATE_TIMEOUT_MS,
        ..Operation::new(
            Op::CreateDataVolume,
            "CreateDataVolume",
            Method::Post,
            "/volumes/data",
            Wrapper::Params,
        )
    },
    Operation {
        message_class: "org.zstack.header.volume.APICreateDataVolumeFromVolumeTemplateMsg",
        summary: "Create a data volume of an image for data volumes; answers when the copy is verified",
        params: &[
            Param::url_of("ImageVO", "imageUuid", "The image's uuid"),
            NAME.required(),
            DESCRIPTION,
            STORAGE.required(),
            Param::text("hostUuid", "Accepted and ignored: the storage says where it is").max(32),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(
            Op::CreateDataVolumeFromVolumeTemplate,
            "CreateDataVolumeFromVolumeTemplate",
            Method::Post,
            "/volumes/data/from/data-volume-templates/{imageUuid}",
            Wrapper::Params,
        )
    },
    Operation {
        one_path: Some("/volumes/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Volume)),
        message_class: "org.zstack.header.volume.APIQueryVolumeMsg",
        summary: "Query volumes; deleted ones are found by status=Deleted until they are expunged",
        answer: Answer::Inventories("VolumeInventory"),
        ..Operation::new(Op::QueryVolume, "QueryVolume", Method::Get, "/volumes", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.header.volume.APIUpdateVolumeMsg",
        summary: "Change a volume's name or description",
        params: &[VOLUME, NAME, DESCRIPTION],
        answer: INVENTORY,
        ..action(Op::UpdateVolume, "UpdateVolume", "updateVolume")
    },
    Operation {
        message_class: "org.zstack.header.volume.APIDeleteDataVolumeMsg",
        summary: "Delete a data volume: its bytes are kept until it is expunged",
        params: &[VOLUME, DELETE_MODE],
        ..Operation::new(
            Op::DeleteDataVolume,
            "DeleteDataVolume",
            Method::Delete,
            "/volumes/{uuid}",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.volume.APIRecoverDataVolumeMsg",
        summary: "Recover a deleted data volume",
        answer: INVENTORY,
        ..action(Op::RecoverDataVolume, "RecoverDataVolume", "recoverDataVolume")
    },
    Operation {
        message_class: "org.zstack.header.volume.APIExpungeDataVolumeMsg",
        summary: "Expunge a deleted data volume: record and bytes are gone",
        ..action(Op::ExpungeDataVolume, "ExpungeDataVolume", "expungeDataVolume")
    },
    Operation {
        admin_only: true,
        message_class: "longhaul.APIAdoptVolumeMsg",
        summary: "Adopt a file below a storage's root as a volume, without copying a byte",
        params: &[
            STORAGE.required(),
            Param::text("installPath", "Path of the raw or qcow2 file, below the storage's root")
                .required()
                .max(4096),
            NAME.required(),
            DESCRIPTION,
            Param::text("format", "Format of the file; absent: told by its first bytes")
                .one_of(&["raw", "qcow2"]),
            Param::text("accountUuid", "The account that shall own the volume; absent: the caller")
                .of("AccountVO"),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(Op::AdoptVolume, "AdoptVolume", Method::Post, "/volumes/adopt", Wrapper::Params)
    },
    Operation {
        admin_only: true,
        message_class: "longhaul.APIImportVolumeMsg",
        summary: "Import a file of this machine as a new volume: a long job that copies it",
        params: &[
            STORAGE.required(),
            Param::text("path", "Absolute path of the raw or qcow2 file to copy").required().max(4096),
            NAME.required(),
            DESCRIPTION,
            Param::text("format", "Format of the file; absent: told by its first bytes")
                .one_of(&["raw", "qcow2"]),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: Answer::Inventory("LongJobInventory"),
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(Op::ImportVolume, "ImportVolume", Method::Post, "/volumes/import", Wrapper::Params)
    },
    Operation {
        admin_only: true,
        message_class: "longhaul.APIForgetVolumeMsg",
        summary: "Forget a volume: its record is dropped, its file is not touched",
        ..action(Op::ForgetVolume, "ForgetVolume", "forgetVolume")
    },
    Operation {
        message_class: "org.zstack.storage.migration.primary.APIPrimaryStorageMigrateVolumeMsg",
        summary: "Migrate a volume to another primary storage; answers when the copy is verified",
        params: &[
            Param::url_of("VolumeVO", "volumeUuid", "The volume's uuid"),
            Param::text("dstPrimaryStorageUuid", "Uuid of the primary storage to move to")
                .required()
                .of("PrimaryStorageVO"),
            Param::text(
                "format",
                "What the volume shall become; absent: as it is. On a Ceph pool always raw",
            )
            .one_of(&["raw", "qcow2"]),
        ],
        answer: INVENTORY,
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(
            Op::PrimaryStorageMigrateVolume,
            "PrimaryStorageMigrateVolume",
            Method::Put,
            "/primary-storage/volumes/{volumeUuid}/actions",
            Wrapper::Action("primaryStorageMigrateVolume"),
        )
    },
];
