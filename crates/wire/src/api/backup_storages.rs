//! Rows of the backup storages.
//!
//! Source: resources.md 6.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, LONG_API_TIMEOUT_MS, Method, Op, Operation, Param, Target, Type, Wrapper};

const PLACE: Param = Param::url_of("BackupStorageVO", "uuid", "The backup storage's uuid");
const PLACE_TOO: Param = Param::url_of("BackupStorageVO", "backupStorageUuid", "The backup storage's uuid");
/// 3 hours, in ms (resources.md 6).
const EXPORT_TIMEOUT_MS: u64 = 10_800_000;
const ACTIONS: &str = "/backup-storage/{uuid}/actions";
const STORE_ACTIONS: &str = "/backup-storage/image-store/{uuid}/actions";
const INVENTORY: Answer = Answer::Inventory("BackupStorageInventory");

const HOSTNAME: Param =
    Param::text("hostname", "The machine that has the directory; shown, not connected to").max(255);
const USERNAME: Param = Param::text("username", "Shown, not used").max(255);
const PASSWORD: Param = Param::text("password", "Accepted and dropped: nothing is logged in to").max(255);
const PORT: Param = Param::int("sshPort", "Shown, not connected to; default 22").range(1, 65_535);
const NEW_NAME: Param = Param::text("name", "New name; absent: unchanged").max(NAME_MAX);
const NEW_DESCRIPTION: Param =
    Param::text("description", "New description; absent: unchanged").max(DESCRIPTION_MAX);

/// An action of admins on one backup storage.
const fn action(op: Op, name: &'static str, path: &'static str, key: &'static str) -> Operation {
    Operation {
        admin_only: true,
        answer: INVENTORY,
        params: &[PLACE],
        ..Operation::new(op, name, Method::Put, path, Wrapper::Action(key))
    }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        one_path: Some("/backup-storage/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::BackupStorage)),
        message_class: "org.zstack.header.storage.backup.APIQueryBackupStorageMsg",
        summary: "Query backup storages, of every kind",
        answer: Answer::Inventories("BackupStorageInventory"),
        ..Operation::new(
            Op::QueryBackupStorage,
            "QueryBackupStorage",
            Method::Get,
            "/backup-storage",
            Wrapper::None,
        )
    },
    Operation {
        one_path: Some("/backup-storage/image-store/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::BackupStorage)),
        message_class: "org.zstack.storage.backup.imagestore.APIQueryImageStoreBackupStorageMsg",
        summary: "Query backup storages that are directories",
        answer: Answer::Inventories("ImageStoreBackupStorageInventory"),
        ..Operation::new(
            Op::QueryImageStoreBackupStorage,
            "QueryImageStoreBackupStorage",
            Method::Get,
            "/backup-storage/image-store",
            Wrapper::None,
        )
    },
    Operation {
        one_path: Some("/backup-storage/ceph/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::BackupStorage)),
        message_class: "org.zstack.storage.ceph.backup.APIQueryCephBackupStorageMsg",
        summary: "Query backup storages that are Ceph pools",
        answer: Answer::Inventories("CephBackupStorageInventory"),
        ..Operation::new(
            Op::QueryCephBackupStorage,
            "QueryCephBackupStorage",
            Method::Get,
            "/backup-storage/ceph",
            Wrapper::None,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.backup.imagestore.APIAddImageStoreBackupStorageMsg",
        summary: "Add a directory as a backup storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("url", "Absolute path of the directory; not below /dev, /proc or /sys")
                .required()
                .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            HOSTNAME.required(),
            USERNAME,
            PASSWORD,
            PORT,
            Param::flag("importImages", "Accepted; images that lie there already are not taken in"),
            Param::flag(
                "shared",
                "Whether every node sees the directory under this path; default false: it belongs to this machine",
            ),
            Param::text("type", "Accepted and ignored: it is always `ImageStoreBackupStorage`").max(NAME_MAX),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddImageStoreBackupStorage,
            "AddImageStoreBackupStorage",
            Method::Post,
            "/backup-storage/image-store",
            Wrapper::Params,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.ceph.backup.APIAddCephBackupStorageMsg",
        summary: "Add a pool of RBD images as a backup storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("url", "Accepted and ignored: it is made of the cluster's fsid and the pool")
                .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::list(
                "monUrls",
                "Monitors, each `user:password@host:[sshPort]/?[monPort=]`; only host and monPort (6789) are used, \
                 nobody logs in there. May be absent where `conf` names them",
            ),
            Param::text("poolName", "The pool; it must exist").max(NAME_MAX),
            Param::flag("importImages", "Accepted; images that lie there already are not taken in"),
            Param::text("type", "Accepted and ignored: it is always `Ceph`").max(NAME_MAX),
            Param::text("conf", "Absolute path of a ceph.conf on every node").max(4096),
            Param::text("user", "Who logs in to the cluster, without `client.`; absent: admin").max(NAME_MAX),
            Param::text("keyring", "Absolute path of the user's keyring on every node").max(4096),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddCephBackupStorage,
            "AddCephBackupStorage",
            Method::Post,
            "/backup-storage/ceph",
            Wrapper::Params,
        )
    },
    Operation {
        message_class: "org.zstack.storage.migration.backup.APIBackupStorageMigrateImageMsg",
        summary: "Move an image to another backup storage; answers when the copy is verified",
        params: &[
            Param::url_of("ImageVO", "imageUuid", "The image's uuid"),
            Param::text("srcBackupStorageUuid", "Which of its copies moves").required().of("BackupStorageVO"),
            Param::text("dstBackupStorageUuid", "Where to").required().of("BackupStorageVO"),
        ],
        answer: Answer::Inventory("ImageInventory"),
        plans: true,
        api_timeout_ms: LONG_API_TIMEOUT_MS,
        ..Operation::new(
            Op::BackupStorageMigrateImage,
            "BackupStorageMigrateImage",
            Method::Put,
            "/backup-storage/images/{imageUuid}/actions",
            Wrapper::Action("backupStorageMigrateImage"),
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.storage.migration.backup.APIGetBackupStorageCandidatesForImageMigrationMsg",
        summary: "List the backup storages that an image can move to from this one, those with most room first",
        params: &[Param::url_of("BackupStorageVO", "srcBackupStorageUuid", "Where the image is")],
        answer: Answer::Inventories("BackupStorageInventory"),
        ..Operation::new(
            Op::GetBackupStorageCandidatesForImageMigration,
            "GetBackupStorageCandidatesForImageMigration",
            Method::Get,
            "/backup-storage/{srcBackupStorageUuid}/migration-candidates",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APIExportImageFromBackupStorageMsg",
        summary: "Give an image a URL that it can be fetched from; answers when it is there",
        params: &[
            PLACE_TOO,
            Param::text("imageUuid", "The image's uuid").required().of("ImageVO"),
            Param::text("exportFormat", "Absent: as it is stored").one_of(&["raw", "qcow2"]),
        ],
        answer: Answer::Custom("ExportedImageAnswer"),
        plans: true,
        api_timeout_ms: EXPORT_TIMEOUT_MS,
        ..Operation::new(
            Op::ExportImageFromBackupStorage,
            "ExportImageFromBackupStorage",
            Method::Put,
            "/backup-storage/{backupStorageUuid}/actions",
            Wrapper::Action("exportImageFromBackupStorage"),
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APIDeleteExportedImageFromBackupStorageMsg",
        summary: "Take the exports of an image back: their URLs answer no more",
        params: &[
            PLACE_TOO,
            Param::url_of("ImageVO", "imageUuid", "The image's uuid"),
            Param::query(
                Type::Text,
                "exportFormat",
                "Take back the export of this format alone; absent: all",
            )
            .one_of(&["raw", "qcow2", "iso"]),
        ],
        ..Operation::new(
            Op::DeleteExportedImageFromBackupStorage,
            "DeleteExportedImageFromBackupStorage",
            Method::Delete,
            "/backup-storage/{backupStorageUuid}/exported-images/{imageUuid}",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APIUpdateBackupStorageMsg",
        summary: "Change a backup storage's name or description",
        params: &[PLACE, NEW_NAME, NEW_DESCRIPTION],
        ..action(Op::UpdateBackupStorage, "UpdateBackupStorage", ACTIONS, "updateBackupStorage")
    },
    Operation {
        message_class: "org.zstack.storage.backup.imagestore.APIUpdateImageStoreBackupStorageMsg",
        summary: "Change what is shown of a backup storage that is a directory",
        params: &[PLACE, NEW_NAME, NEW_DESCRIPTION, HOSTNAME, USERNAME, PASSWORD, PORT],
        ..action(
            Op::UpdateImageStoreBackupStorage,
            "UpdateImageStoreBackupStorage",
            STORE_ACTIONS,
            "updateImageStoreBackupStorage",
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APIChangeBackupStorageStateMsg",
        summary: "Enable or disable a backup storage",
        params: &[PLACE, Param::text("stateEvent", "What to do").required().one_of(&["enable", "disable"])],
        ..action(
            Op::ChangeBackupStorageState,
            "ChangeBackupStorageState",
            ACTIONS,
            "changeBackupStorageState",
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APIReconnectBackupStorageMsg",
        summary: "Look anew whether a backup storage is there, and how full it is",
        ..action(Op::ReconnectBackupStorage, "ReconnectBackupStorage", ACTIONS, "reconnectBackupStorage")
    },
    Operation {
        message_class: "org.zstack.storage.backup.imagestore.APIReconnectImageStoreBackupStorageMsg",
        summary: "The same of one that is a directory",
        ..action(
            Op::ReconnectImageStoreBackupStorage,
            "ReconnectImageStoreBackupStorage",
            STORE_ACTIONS,
            "reconnectImageStoreBackupStorage",
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.backup.APIDeleteBackupStorageMsg",
        summary: "Delete a backup storage: its record is dropped, its files are not touched",
        params: &[PLACE, DELETE_MODE],
        ..Operation::new(
            Op::DeleteBackupStorage,
            "DeleteBackupStorage",
            Method::Delete,
            "/backup-storage/{uuid}",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.header.storage.backup.APIGetBackupStorageCapacityMsg",
        summary: "Sum up the capacity of some or all backup storages",
        params: &[
            Param::query(Type::List, "zoneUuids", "Backup storages of these zones"),
            Param::query(Type::List, "backupStorageUuids", "These backup storages"),
            Param::query(Type::Bool, "all", "All backup storages; default false"),
        ],
        answer: Answer::Custom("CapacityAnswer"),
        ..Operation::new(
            Op::GetBackupStorageCapacity,
            "GetBackupStorageCapacity",
            Method::Get,
            "/backup-storage/capacities",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        admin_only: true,
        message_class: "org.zstack.header.storage.backup.APIGetTrashOnBackupStorageMsg",
        summary: "List the trash of a backup storage: what migrations of images left behind",
        params: &[
            Param::query(Type::Text, "uuid", "The backup storage's uuid").required().of("BackupStorageVO"),
            Param::query(Type::Text, "resourceUuid", "Only what was of this resource"),
            Param::query(Type::Text, "resourceType", "Only what was of resources of this type"),
            Param::query(Type::Text, "trashType", "Only trash of this kind").one_of(&["MigrateImage"]),
        ],
        answer: Answer::Inventories("TrashInventory"),
        ..Operation::new(
            Op::GetTrashOnBackupStorage,
            "GetTrashOnBackupStorage",
            Method::Get,
            "/backup-storage/trash",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.storage.backup.APICleanUpTrashOnBackupStorageMsg",
        summary: "Clean the trash of a backup storage",
        params: &[PLACE, Param::int("trashId", "Only the entry of this number").range(0, i64::MAX)],
        answer: Answer::Custom("CleanUpTrashAnswer"),
        ..action(
            Op::CleanUpTrashOnBackupStorage,
            "CleanUpTrashOnBackupStorage",
            "/backup-storage/{uuid}/trash/actions",
            "cleanUpTrashOnBackupStorage",
        )
    },
];
