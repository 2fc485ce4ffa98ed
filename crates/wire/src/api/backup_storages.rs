//! Rows of the backup storages.
//!
//! Source: resources.md 6.

use longhaul_model::query::Resource;

use super::{Answer, Kind, Method, Op, Operation, Target, Wrapper};

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
];
