//! The closed lists of tables and columns behind resources and fields. The row's table is always called `j`.

use longhaul_model::query::{Field, Resource};
use longhaul_model::resource::StorageKind;

use super::Dialect;
use crate::derived;

/// The table of a resource; with `body`, the fat columns of jobs too.
pub(crate) const fn from(resource: Resource, body: bool) -> &'static str {
    match resource {
        Resource::Job if body => "job AS j JOIN job_body AS b ON b.job = j.id",
        Resource::Job => "job AS j",
        Resource::Account => "account AS j",
        Resource::Node => "node AS j",
        Resource::Storage => "storage AS j",
        Resource::Volume => "volume AS j",
        Resource::AccessKey => "access_key AS j",
        Resource::SystemTag | Resource::UserTag => "tag AS j",
        Resource::BackupStorage => "backup_storage AS j",
        Resource::Image => "image AS j",
    }
}

/// What must hold besides the filter, where a table holds more than one resource.
pub(crate) const fn always(resource: Resource) -> Option<&'static str> {
    match resource {
        Resource::SystemTag => Some("j.system = 1"),
        Resource::UserTag => Some("j.system = 0"),
        Resource::Job
        | Resource::Account
        | Resource::Node
        | Resource::Storage
        | Resource::Volume
        | Resource::AccessKey
        | Resource::BackupStorage
        | Resource::Image => None,
    }
}

/// The column that says who owns a row, where rows have an owner. An account owns itself.
pub(crate) const fn owner(resource: Resource) -> Option<&'static str> {
    match resource {
        Resource::Job | Resource::Volume | Resource::AccessKey | Resource::Image => Some("j.account"),
        Resource::Account => Some("j.uuid"),
        // A tag belongs to who owns its resource; that of a storage, to admins, who see everything.
        Resource::SystemTag | Resource::UserTag => Some(
            "CASE j.resource_type
                WHEN 'LongJobVO' THEN (SELECT o.account FROM job AS o WHERE o.uuid = j.resource_uuid)
                WHEN 'VolumeVO' THEN (SELECT o.account FROM volume AS o WHERE o.uuid = j.resource_uuid)
                WHEN 'ImageVO' THEN (SELECT o.account FROM image AS o WHERE o.uuid = j.resource_uuid)
             END",
        ),
        Resource::Node | Resource::Storage | Resource::BackupStorage => None,
    }
}

/// Whether the column lies in the side table of jobs.
pub(crate) fn is_in_body(resource: Resource, field: Field) -> bool {
    resource == Resource::Job && matches!(field, Field::Description | Field::JobData | Field::JobResult)
}

/// The field as an expression, with the collation of its kind; null where the resource has no such field.
pub(crate) fn column(dialect: Dialect, resource: Resource, field: Field) -> String {
    let text = expression(resource, field);
    // A constant has the collation of the database, which may know languages.
    let is_constant = text.starts_with('\'') || text.starts_with("CASE");
    if is_constant && dialect == Dialect::Postgres { format!("({text}) COLLATE \"C\"") } else { text }
}

fn expression(resource: Resource, field: Field) -> String {
    let name = match (resource, field) {
        (Resource::Image, Field::Type) => return format!("'{}'", derived::IMAGE_TYPE),
        (Resource::BackupStorage | Resource::Image, _) => of_images(resource, field),
        (_, Field::Uuid) => "j.uuid",
        (Resource::Job, Field::Description) => "b.description",
        (Resource::Job, Field::ApiId) => "j.api_id",
        (Resource::Job, Field::JobName) => "j.job_name",
        (Resource::Job, Field::JobData) => "b.job_data",
        (Resource::Job, Field::JobResult) => "b.job_result",
        (Resource::Job, Field::TargetResourceUuid) => "j.target",
        (Resource::Job, Field::ManagementNodeUuid) => "(SELECT n.uuid FROM node AS n WHERE n.uuid = j.node)",
        (Resource::Job, Field::ExecuteTime) => "j.execute_s",
        (Resource::Account, Field::Type) => {
            return format!(
                "CASE j.admin WHEN 1 THEN '{}' ELSE '{}' END",
                derived::ADMIN_TYPE,
                derived::NORMAL_TYPE
            );
        }
        (Resource::Node, Field::HostName) => "j.host_name",
        (Resource::Node, Field::JoinDate) => "j.join_ms",
        (Resource::Node, Field::HeartBeat) => "j.heartbeat_ms",
        (Resource::Storage, Field::Url) => "j.url",
        (Resource::Storage, Field::MountPath) => {
            return format!(
                "CASE j.kind WHEN '{0}' THEN '{0}' ELSE coalesce(j.mount, j.url) END",
                StorageKind::Ceph.name()
            );
        }
        (Resource::Storage, Field::ZoneUuid) => return format!("'{}'", derived::ZONE_UUID),
        (Resource::Storage, Field::TotalCapacity) => "j.total_bytes",
        (Resource::Storage, Field::AvailableCapacity) => "j.available_bytes",
        (Resource::Volume, Field::PrimaryStorageUuid) => "j.storage",
        (Resource::Volume, Field::InstallPath) => "j.install_path",
        (Resource::Volume, Field::Format) => "j.format",
        (Resource::Volume, Field::Size) => "j.size",
        (Resource::Volume, Field::ActualSize) => "j.actual_size",
        (Resource::AccessKey, Field::AccountUuid | Field::UserUuid) => "j.account",
        (Resource::AccessKey, Field::AccessKeyId) => "j.access_id",
        (Resource::AccessKey, Field::Description) => "j.description",
        (Resource::AccessKey, Field::State) => "j.state",
        (Resource::AccessKey, Field::CreateDate) => "j.create_ms",
        (Resource::AccessKey, Field::LastOpDate) => "j.last_op_ms",
        (Resource::Volume, Field::IsShareable) | (Resource::SystemTag, Field::Inherent) => {
            "CAST(0 AS BIGINT)"
        }
        (Resource::SystemTag | Resource::UserTag, Field::ResourceUuid) => "j.resource_uuid",
        (Resource::SystemTag | Resource::UserTag, Field::ResourceType) => "j.resource_type",
        (Resource::SystemTag | Resource::UserTag, Field::TagText) => "j.text",
        (Resource::SystemTag | Resource::UserTag, Field::Type) => {
            return format!("'{}'", derived::tag_type(resource == Resource::SystemTag));
        }
        (Resource::SystemTag | Resource::UserTag, Field::CreateDate) => "j.create_ms",
        (Resource::SystemTag | Resource::UserTag, Field::LastOpDate) => "coalesce(j.last_op_ms, j.create_ms)",
        (Resource::Storage | Resource::Volume, Field::Type) => "j.kind",
        (Resource::Storage | Resource::Volume, Field::Status) => "j.status",
        (Resource::Job | Resource::Storage | Resource::Volume, Field::State) => "j.state",
        (Resource::Account | Resource::Storage | Resource::Volume, Field::Description) => "j.description",
        (Resource::Job | Resource::Account | Resource::Storage | Resource::Volume, Field::Name) => "j.name",
        (Resource::Job | Resource::Account | Resource::Storage | Resource::Volume, Field::CreateDate) => {
            "j.create_ms"
        }
        (Resource::Job | Resource::Account | Resource::Storage | Resource::Volume, Field::LastOpDate) => {
            "j.last_op_ms"
        }
        _ => "NULL",
    };
    name.to_owned()
}

/// The same of backup storages and images.
fn of_images(resource: Resource, field: Field) -> &'static str {
    match (resource, field) {
        (_, Field::Uuid) => "j.uuid",
        (_, Field::Name) => "j.name",
        (_, Field::Description) => "j.description",
        (_, Field::Url) => "j.url",
        (_, Field::State) => "j.state",
        (_, Field::Status) => "j.status",
        (_, Field::CreateDate) => "j.create_ms",
        (_, Field::LastOpDate) => "j.last_op_ms",
        (Resource::BackupStorage, Field::Type) => "j.kind",
        (Resource::BackupStorage, Field::TotalCapacity) => "j.total_bytes",
        (Resource::BackupStorage, Field::AvailableCapacity) => "j.available_bytes",
        (Resource::BackupStorage, Field::Hostname) => "j.host_name",
        (Resource::BackupStorage, Field::Username) => "j.username",
        (Resource::BackupStorage, Field::SshPort) => "j.ssh_port",
        (Resource::Image, Field::Size) => "j.size",
        (Resource::Image, Field::ActualSize) => "j.actual_size",
        (Resource::Image, Field::Md5Sum) => "j.md5",
        (Resource::Image, Field::MediaType) => "j.media_type",
        (Resource::Image, Field::GuestOsType) => "j.guest_os_type",
        (Resource::Image, Field::Platform) => "j.platform",
        (Resource::Image, Field::Architecture) => "j.architecture",
        (Resource::Image, Field::Format) => "j.format",
        (Resource::Image, Field::System) => "j.system",
        (Resource::Image, Field::Virtio) => "j.virtio",
        _ => "NULL",
    }
}
