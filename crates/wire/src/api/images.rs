//! Rows of the images.
//!
//! Source: resources.md 7, rest-api.md 1.6.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, LONG_API_TIMEOUT_MS, Method, Op, Operation, Param, Target, Type, Wrapper};

const IMAGE: Param = Param::url_of("ImageVO", "uuid", "The image's uuid");
const IMAGE_TOO: Param = Param::url_of("ImageVO", "imageUuid", "The image's uuid");
const PLACES: Param = Param::list("backupStorageUuids", "Only on these backup storages; absent: on all");
const OWN_PLACES: Param = Param::list("backupStorageUuids", "Where to keep it; absent: where most room is");
const ACTIONS: &str = "/images/{uuid}/actions";
const ACTIONS_TOO: &str = "/images/{imageUuid}/actions";
const INVENTORY: Answer = Answer::Inventory("ImageInventory");
const MEDIA_TYPES: &[&str] = &["RootVolumeTemplate", "DataVolumeTemplate", "ISO"];
const ARCHITECTURES: &[&str] = &["x86_64", "aarch64", "mips64el", "loongarch64"];
const PLATFORMS: &[&str] = &["Linux", "Windows", "Other", "Paravirtualization", "WindowsVirtio"];
const GUEST: Param = Param::text("guestOsType", "For people").max(255);
const FORMAT: Param = Param::text("format", "`qcow2`, `raw`, `iso`; what the bytes say counts").max(32);

const fn action(op: Op, name: &'static str, path: &'static str, key: &'static str) -> Operation {
    Operation {
        params: &[IMAGE],
        answer: INVENTORY,
        ..Operation::new(op, name, Method::Put, path, Wrapper::Action(key))
    }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        one_path: Some("/images/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Image)),
        message_class: "org.zstack.header.image.APIQueryImageMsg",
        summary: "Query images; deleted ones are found by status=Deleted until they are expunged",
        answer: Answer::Inventories("ImageInventory"),
        ..Operation::new(Op::QueryImage, "QueryImage", Method::Get, "/images", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.header.image.APIAddImageMsg",
        summary: "Add an image by its URL; answers when its bytes are stored and checked",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text("url", "http://, https://, file:/// or an absolute path").required().max(1024),
            Param::text("mediaType", "What it is for; default RootVolumeTemplate").one_of(MEDIA_TYPES),
            GUEST,
            Param::text("architecture", "Its processor; default the server's").one_of(ARCHITECTURES),
            Param::flag("system", "Whether it is of the system's own; default false"),
            FORMAT,
            Param::text("platform", "Default Linux").one_of(PLATFORMS),
            Param::list("backupStorageUuids", "Where to keep it").required(),
            Param::text("type", "Always `zstack`").max(255),
            Param::flag("virtio", "Whether its guests have virtio drivers; default true"),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(Op::AddImage, "AddImage", Method::Post, "/images", Wrapper::Params)
    },
    Operation {
        message_class: "org.zstack.header.image.APICreateRootVolumeTemplateFromRootVolumeMsg",
        summary: "Make an image for root volumes of a volume; answers when the copy is verified",
        params: &[
            Param::url_of("VolumeVO", "rootVolumeUuid", "The volume's uuid; any volume is taken"),
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            OWN_PLACES,
            GUEST,
            Param::text("platform", "Default Linux").one_of(PLATFORMS),
            Param::text("architecture", "Its processor; default the server's").one_of(ARCHITECTURES),
            Param::flag("system", "Whether it is of the system's own; default false"),
            Param::flag("virtio", "Whether its guests have virtio drivers; default true"),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(
            Op::CreateRootVolumeTemplateFromRootVolume,
            "CreateRootVolumeTemplateFromRootVolume",
            Method::Post,
            "/images/root-volume-templates/from/volumes/{rootVolumeUuid}",
            Wrapper::Params,
        )
    },
    Operation {
        message_class: "org.zstack.header.image.APICreateDataVolumeTemplateFromVolumeMsg",
        summary: "Make an image for data volumes of a volume; answers when the copy is verified",
        params: &[
            Param::url_of("VolumeVO", "volumeUuid", "The volume's uuid"),
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            OWN_PLACES,
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(
            Op::CreateDataVolumeTemplateFromVolume,
            "CreateDataVolumeTemplateFromVolume",
            Method::Post,
            "/images/data-volume-templates/from/volumes/{volumeUuid}",
            Wrapper::Params,
        )
    },
    Operation {
        message_class: "org.zstack.header.image.APIUpdateImageMsg",
        summary: "Change what is said of an image",
        params: &[
            IMAGE,
            Param::text("name", "New name; absent: unchanged").max(NAME_MAX),
            Param::text("description", "New description; absent: unchanged").max(DESCRIPTION_MAX),
            GUEST,
            Param::text("mediaType", "What it is for").one_of(MEDIA_TYPES),
            Param::text("format", "Its format").one_of(&["raw", "qcow2", "iso"]),
            Param::flag("system", "Whether it is of the system's own"),
            Param::text("platform", "Its platform").one_of(PLATFORMS),
            Param::text("architecture", "Its processor; aarch64 boots by UEFI").max(32),
            Param::flag("virtio", "Whether its guests have virtio drivers"),
        ],
        ..action(Op::UpdateImage, "UpdateImage", ACTIONS, "updateImage")
    },
    Operation {
        message_class: "org.zstack.header.image.APIChangeImageStateMsg",
        summary: "Enable or disable an image",
        params: &[IMAGE, Param::text("stateEvent", "What to do").required().one_of(&["enable", "disable"])],
        ..action(Op::ChangeImageState, "ChangeImageState", ACTIONS, "changeImageState")
    },
    Operation {
        message_class: "org.zstack.header.image.APISyncImageSizeMsg",
        summary: "Look anew how large an image is",
        ..action(Op::SyncImageSize, "SyncImageSize", ACTIONS, "syncImageSize")
    },
    Operation {
        message_class: "org.zstack.header.image.APICalculateImageHashMsg",
        summary: "Read an image and compute its digest, which is answered as md5Sum",
        params: &[
            IMAGE,
            Param::text("backupStorageUuid", "Which copy to read").required().of("BackupStorageVO"),
            Param::text("algorithm", "Which digest; default MD5, which alone is kept")
                .one_of(&["MD5", "SHA1", "SHA256"]),
        ],
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..action(Op::CalculateImageHash, "CalculateImageHash", ACTIONS, "calculateImageHash")
    },
    Operation {
        message_class: "org.zstack.header.image.APISetImageBootModeMsg",
        summary: "Say what guests of an image boot by: its tag bootMode::…",
        params: &[
            IMAGE,
            Param::text("bootMode", "What they boot by").required().one_of(&[
                "Legacy",
                "UEFI",
                "UEFI_WITH_CSM",
            ]),
        ],
        answer: Answer::Empty,
        ..action(Op::SetImageBootMode, "SetImageBootMode", ACTIONS, "setImageBootMode")
    },
    Operation {
        message_class: "org.zstack.header.image.APISetImageQgaMsg",
        summary: "Say whether guests of an image run QEMU's agent: its tag qemuga",
        params: &[IMAGE, Param::flag("enable", "Whether they do").required()],
        answer: Answer::Empty,
        ..action(Op::SetImageQga, "SetImageQga", ACTIONS, "setImageQga")
    },
    Operation {
        message_class: "org.zstack.header.image.APIDeleteImageMsg",
        summary: "Delete an image: as image/deletionPolicy says, its bytes are kept until it is expunged",
        params: &[
            IMAGE,
            Param::query(Type::List, "backupStorageUuids", "Only on these backup storages; absent: on all"),
            DELETE_MODE,
        ],
        ..Operation::new(Op::DeleteImage, "DeleteImage", Method::Delete, "/images/{uuid}", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.header.image.APIExpungeImageMsg",
        summary: "Expunge a deleted image: its bytes are gone",
        params: &[IMAGE_TOO, PLACES],
        answer: Answer::Empty,
        ..action(Op::ExpungeImage, "ExpungeImage", ACTIONS_TOO, "expungeImage")
    },
    Operation {
        message_class: "org.zstack.header.image.APIRecoverImageMsg",
        summary: "Recover a deleted image",
        params: &[IMAGE_TOO, PLACES],
        ..action(Op::RecoverImage, "RecoverImage", ACTIONS_TOO, "recoverImage")
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.header.image.APIGetCandidateBackupStorageForCreatingImageMsg",
        summary: "List the backup storages that take a new image, those with most room first",
        params: &[
            Param::query(Type::Text, "volumeUuid", "With room for this volume").of("VolumeVO"),
            Param::query(
                Type::Text,
                "volumeSnapshotUuid",
                "With room for this snapshot; there are none here",
            )
            .of("VolumeSnapshotVO"),
        ],
        answer: Answer::Inventories("BackupStorageInventory"),
        ..Operation::new(
            Op::GetCandidateBackupStorageForCreatingImage,
            "GetCandidateBackupStorageForCreatingImage",
            Method::Get,
            "/images/candidate-backup-storage",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.header.image.APIGetUploadImageJobDetailsMsg",
        summary: "Find the upload jobs that are not over of a file, and where each goes on",
        params: &[Param::url(
            "imageId",
            "The id that the client chose for the file, of the tag uploadImage::",
        )],
        answer: Answer::Custom("UploadImageJobDetailsAnswer"),
        ..Operation::new(
            Op::GetUploadImageJobDetails,
            "GetUploadImageJobDetails",
            Method::Get,
            "/images/upload-job/details/{imageId}",
            Wrapper::None,
        )
    },
];
