//! Rows of the primary storages and their trash.
//!
//! Source: resources.md 3.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, Method, Op, Operation, Param, Target, Type, Wrapper};

const STORAGE: Param = Param::url_of("PrimaryStorageVO", "uuid", "The primary storage's uuid");
const ACTIONS: &str = "/primary-storage/{uuid}/actions";
const INVENTORY: Answer = Answer::Inventory("PrimaryStorageInventory");
const TRASH_TYPES: &[&str] =
    &["MigrateVolume", "MigrateVolumeSnapshot", "RevertVolume", "VolumeSnapshot", "ReimageVolume"];

pub(super) const ROWS: &[Operation] = &[
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.primary.local.APIAddLocalPrimaryStorageMsg",
        summary: "Add a directory of this machine as a primary storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("zoneUuid", "The zone's uuid, see GET /v1/zones").of("ZoneVO"),
            Param::text("url", "Absolute path of the directory; not below /dev, /proc or /sys")
                .required()
                .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text("type", "Accepted and ignored: it is always `LocalStorage`").max(NAME_MAX),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddLocalPrimaryStorage,
            "AddLocalPrimaryStorage",
            Method::Post,
            "/primary-storage/local-storage",
            Wrapper::Params,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.primary.smp.APIAddSharedMountPointPrimaryStorageMsg",
        summary: "Add a directory that every node sees under the same path as a primary storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("zoneUuid", "The zone's uuid, see GET /v1/zones").of("ZoneVO"),
            Param::text("url", "Absolute path of the mounted directory; not below /dev, /proc or /sys")
                .required()
                .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text("type", "Accepted and ignored: it is always `SharedMountPoint`").max(NAME_MAX),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddSharedMountPointPrimaryStorage,
            "AddSharedMountPointPrimaryStorage",
            Method::Post,
            "/primary-storage/smp",
            Wrapper::Params,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.primary.nfs.APIAddNfsPrimaryStorageMsg",
        summary: "Add an NFS export that is mounted on every node as a primary storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("zoneUuid", "The zone's uuid, see GET /v1/zones").of("ZoneVO"),
            Param::text(
                "url",
                "The export, `host:/path`; it is mounted already, at the same place on every node",
            )
            .required()
            .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text("type", "Accepted and ignored: it is always `NFS`").max(NAME_MAX),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddNfsPrimaryStorage,
            "AddNfsPrimaryStorage",
            Method::Post,
            "/primary-storage/nfs",
            Wrapper::Params,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.storage.ceph.primary.APIAddCephPrimaryStorageMsg",
        summary: "Add a pool of RBD images as a primary storage",
        params: &[
            Param::text("name", "For people").required().max(NAME_MAX),
            Param::text("zoneUuid", "The zone's uuid, see GET /v1/zones").of("ZoneVO"),
            Param::text("url", "Accepted and ignored: it is made of the cluster's fsid and the pool")
                .max(2048),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text("type", "Accepted and ignored: it is always `Ceph`").max(NAME_MAX),
            Param::list(
                "monUrls",
                "Monitors, each `user:password@host:[sshPort]/?[monPort=]`; only host and monPort (6789) are used, \
                 nobody logs in there. May be absent where `conf` names them",
            ),
            Param::text("dataVolumePoolName", "The pool; it must exist").max(NAME_MAX),
            Param::text("rootVolumePoolName", "The pool, where dataVolumePoolName is absent").max(NAME_MAX),
            Param::text("imageCachePoolName", "Accepted and ignored: images are not cached here")
                .max(NAME_MAX),
            Param::text("conf", "Absolute path of a ceph.conf on every node").max(4096),
            Param::text("user", "Who logs in to the cluster, without `client.`; absent: admin").max(NAME_MAX),
            Param::text("keyring", "Absolute path of the user's keyring on every node").max(4096),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::AddCephPrimaryStorage,
            "AddCephPrimaryStorage",
            Method::Post,
            "/primary-storage/ceph",
            Wrapper::Params,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APIReconnectPrimaryStorageMsg",
        summary: "Look anew whether a primary storage is there, and how full it is",
        params: &[STORAGE],
        answer: INVENTORY,
        ..Operation::new(
            Op::ReconnectPrimaryStorage,
            "ReconnectPrimaryStorage",
            Method::Put,
            ACTIONS,
            Wrapper::Action("reconnectPrimaryStorage"),
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APISyncPrimaryStorageCapacityMsg",
        summary: "Look anew how full a primary storage is",
        params: &[Param::url_of("PrimaryStorageVO", "primaryStorageUuid", "The primary storage's uuid")],
        answer: INVENTORY,
        ..Operation::new(
            Op::SyncPrimaryStorageCapacity,
            "SyncPrimaryStorageCapacity",
            Method::Put,
            "/primary-storage/{primaryStorageUuid}/actions",
            Wrapper::Action("syncPrimaryStorageCapacity"),
        )
    },
    Operation {
        one_path: Some("/primary-storage/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Storage)),
        message_class: "org.zstack.header.storage.primary.APIQueryPrimaryStorageMsg",
        summary: "Query primary storages",
        answer: Answer::Inventories("PrimaryStorageInventory"),
        ..Operation::new(
            Op::QueryPrimaryStorage,
            "QueryPrimaryStorage",
            Method::Get,
            "/primary-storage",
            Wrapper::None,
        )
    },
    Operation {
        one_path: Some("/primary-storage/ceph/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Storage)),
        message_class: "org.zstack.storage.ceph.primary.APIQueryCephPrimaryStorageMsg",
        summary: "Query primary storages that are Ceph pools",
        answer: Answer::Inventories("PrimaryStorageInventory"),
        ..Operation::new(
            Op::QueryCephPrimaryStorage,
            "QueryCephPrimaryStorage",
            Method::Get,
            "/primary-storage/ceph",
            Wrapper::None,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APIUpdatePrimaryStorageMsg",
        summary: "Change a primary storage's name or description",
        params: &[
            STORAGE,
            Param::text("name", "New name; absent: unchanged").max(NAME_MAX),
            Param::text("description", "New description; absent: unchanged").max(DESCRIPTION_MAX),
            Param::text("url", "New url, for kinds whose url may change").max(2048),
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::UpdatePrimaryStorage,
            "UpdatePrimaryStorage",
            Method::Put,
            ACTIONS,
            Wrapper::Action("updatePrimaryStorage"),
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APIChangePrimaryStorageStateMsg",
        summary: "Enable a primary storage, disable it, or put it into maintenance",
        params: &[
            STORAGE,
            Param::text("stateEvent", "`enable`, `disable`: no new volumes, `maintain`: no work at all, copies that run stop and go on when it is enabled")
                .required()
                .one_of(&["enable", "disable", "maintain", "deleting"]),
        ],
        answer: INVENTORY,
        ..Operation::new(
            Op::ChangePrimaryStorageState,
            "ChangePrimaryStorageState",
            Method::Put,
            ACTIONS,
            Wrapper::Action("changePrimaryStorageState"),
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APIDeletePrimaryStorageMsg",
        summary: "Delete the record of a primary storage; its files stay. With trash only as Enforcing: its records go too",
        params: &[STORAGE, DELETE_MODE],
        ..Operation::new(
            Op::DeletePrimaryStorage,
            "DeletePrimaryStorage",
            Method::Delete,
            "/primary-storage/{uuid}",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APIGetTrashOnPrimaryStorageMsg",
        summary: "List the trash of a primary storage",
        params: &[
            Param::query(Type::Text, "uuid", "The primary storage's uuid").required().of("PrimaryStorageVO"),
            Param::query(Type::Text, "resourceUuid", "Only the trash of this resource; needs resourceType")
                .max(32),
            Param::query(Type::Text, "resourceType", "Type of that resource: `VolumeVO`").max(NAME_MAX),
            Param::query(Type::Text, "trashType", "Only trash of this type").one_of(TRASH_TYPES),
        ],
        answer: Answer::Inventories("TrashInventory"),
        ..Operation::new(
            Op::GetTrashOnPrimaryStorage,
            "GetTrashOnPrimaryStorage",
            Method::Get,
            "/primary-storage/trash",
            Wrapper::None,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.storage.primary.APICleanUpTrashOnPrimaryStorageMsg",
        summary: "Delete trash for good, one item or all of a storage",
        params: &[STORAGE, Param::int("trashId", "The trash item's number; absent: all").range(0, i64::MAX)],
        answer: Answer::Custom("CleanUpTrashAnswer"),
        ..Operation::new(
            Op::CleanUpTrashOnPrimaryStorage,
            "CleanUpTrashOnPrimaryStorage",
            Method::Put,
            "/primary-storage/{uuid}/trash/actions",
            Wrapper::Action("cleanUpTrashOnPrimaryStorage"),
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.header.storage.primary.APIGetPrimaryStorageCapacityMsg",
        summary: "Sum up the capacity of some or all primary storages",
        params: &[
            Param::query(Type::List, "zoneUuids", "Storages of these zones"),
            Param::query(Type::List, "clusterUuids", "Storages of these clusters; there are none here"),
            Param::query(Type::List, "primaryStorageUuids", "These storages"),
            Param::query(Type::Bool, "all", "All storages; default false"),
        ],
        answer: Answer::Custom("CapacityAnswer"),
        ..Operation::new(
            Op::GetPrimaryStorageCapacity,
            "GetPrimaryStorageCapacity",
            Method::Get,
            "/primary-storage/capacities",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "longhaul.APIGetPrimaryStorageBandwidthMsg",
        summary: "Get the bandwidth budget that is in force for each primary storage, and the copies that share it",
        params: &[Param::query(Type::List, "primaryStorageUuids", "These storages; absent: all")],
        answer: Answer::Inventories("BandwidthInventory"),
        ..Operation::new(
            Op::GetPrimaryStorageBandwidth,
            "GetPrimaryStorageBandwidth",
            Method::Get,
            "/primary-storage/bandwidths",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        admin_only: true,
        message_class: "longhaul.APIScanPrimaryStorageMsg",
        summary: "Compare the files of a primary storage with its records: unmanaged, missing, changed",
        params: &[STORAGE],
        answer: Answer::Inventories("ScanItemInventory"),
        ..Operation::new(
            Op::ScanPrimaryStorage,
            "ScanPrimaryStorage",
            Method::Get,
            "/primary-storage/{uuid}/scan",
            Wrapper::None,
        )
    },
];
