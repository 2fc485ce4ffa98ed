//! The fields of rows as values, and how values compare: the plain reading of `longhaul_model::query`.

use std::cmp::Ordering;

use longhaul_model::Job;
use longhaul_model::query::{Condition, Field, Kind, Op, Value};
use longhaul_model::resource::{
    AccessKey, Account, BackupStorage, Image, ImageRef, Node, Storage, Tag, Volume,
};

use crate::derived;
use crate::like::like;

/// A row of some resource.
pub(super) trait Row {
    /// The field's value; `None` is null.
    fn value(&self, field: Field) -> Option<Value>;

    /// The values of a field of kind `Copy`, one for each copy.
    fn copies(&self, _: Field) -> Vec<Option<Value>> {
        Vec::new()
    }
}

fn text(value: impl std::fmt::Display) -> Option<Value> {
    Some(Value::Text(value.to_string()))
}

fn maybe(value: &Option<impl std::fmt::Display>) -> Option<Value> {
    value.as_ref().and_then(text)
}

fn size(value: u64) -> Option<Value> {
    Some(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

impl Row for Job {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::ApiId => text(&self.api_id),
            Field::JobName => text(&self.job_name),
            Field::JobData => text(&self.job_data),
            Field::JobResult => maybe(&self.job_result),
            Field::State => text(self.state.name()),
            Field::TargetResourceUuid => maybe(&self.target),
            Field::ManagementNodeUuid => maybe(&self.node),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            Field::ExecuteTime => self.execute_s.and_then(size),
            _ => None,
        }
    }
}

impl Row for Account {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::Type => text(derived::account_type(self.admin)),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

impl Row for Node {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::HostName => text(&self.host_name),
            Field::JoinDate => Some(Value::Int(self.join_ms)),
            Field::HeartBeat => Some(Value::Int(self.heartbeat_ms)),
            _ => None,
        }
    }
}

impl Row for Storage {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::Type => text(self.kind.name()),
            Field::Url => text(&self.url),
            Field::MountPath => text(self.mount_path()),
            Field::ZoneUuid => text(derived::ZONE_UUID),
            Field::State => text(self.state.name()),
            Field::Status => text(&self.status),
            Field::TotalCapacity => size(self.total_bytes),
            Field::AvailableCapacity => size(self.available_bytes),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

impl Row for Volume {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::PrimaryStorageUuid => maybe(&self.storage),
            Field::InstallPath => maybe(&self.install_path),
            Field::Type => text(&self.kind),
            Field::Format => maybe(&self.format),
            Field::Size => size(self.size),
            Field::ActualSize => self.actual_size.and_then(size),
            Field::State => text(&self.state),
            Field::Status => text(&self.status),
            Field::IsShareable => Some(Value::Int(0)),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

impl Row for BackupStorage {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::Type => text(self.kind.name()),
            Field::Url => text(&self.url),
            Field::State => text(self.state.name()),
            Field::Status => text(&self.status),
            Field::TotalCapacity => size(self.total_bytes),
            Field::AvailableCapacity => size(self.available_bytes),
            Field::Hostname => maybe(&self.host_name),
            Field::Username => maybe(&self.username),
            Field::SshPort => self.ssh_port.map(|port| Value::Int(i64::from(port))),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

impl Row for Image {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Name => text(&self.name),
            Field::Description => maybe(&self.description),
            Field::State => text(derived::key_state(self.enabled)),
            Field::Status => text(self.status.name()),
            Field::Size => size(self.size),
            Field::ActualSize => size(self.actual_size),
            Field::Md5Sum => maybe(&self.md5),
            Field::Url => maybe(&self.url),
            Field::MediaType => text(&self.media_type),
            Field::GuestOsType => maybe(&self.guest_os_type),
            Field::Type => text(derived::IMAGE_TYPE),
            Field::Platform => maybe(&self.platform),
            Field::Architecture => maybe(&self.architecture),
            Field::Format => text(&self.format),
            Field::System => Some(Value::Int(i64::from(self.system))),
            Field::Virtio => Some(Value::Int(i64::from(self.virtio))),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }

    fn copies(&self, field: Field) -> Vec<Option<Value>> {
        let of = |copy: &ImageRef| match field {
            Field::CopyPlace => text(copy.backup_storage),
            Field::CopyPath => text(&copy.install_path),
            Field::CopyStatus => text(copy.status.name()),
            _ => None,
        };
        self.refs.iter().map(of).collect()
    }
}

impl Row for AccessKey {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::Description => maybe(&self.description),
            Field::AccountUuid | Field::UserUuid => text(self.account),
            Field::AccessKeyId => text(&self.access_id),
            Field::State => text(derived::key_state(self.enabled)),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

impl Row for Tag {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            Field::Uuid => text(self.id),
            Field::ResourceUuid => text(&self.resource_uuid),
            Field::ResourceType => text(&self.resource_type),
            Field::TagText => text(&self.text),
            Field::Type => text(derived::tag_type(self.system)),
            Field::Inherent => self.system.then_some(Value::Int(0)),
            Field::CreateDate => Some(Value::Int(self.create_ms)),
            Field::LastOpDate => Some(Value::Int(self.last_op_ms)),
            _ => None,
        }
    }
}

/// How two values of a field of `kind` are ordered; null is smallest.
pub(super) fn order(kind: Kind, a: &Option<Value>, b: &Option<Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Text(a)), Some(Value::Text(b))) if kind == Kind::Folded => {
            let fold = |s: &str| s.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<u8>>();
            fold(a).cmp(&fold(b))
        }
        (Some(Value::Text(a)), Some(Value::Text(b))) => a.as_bytes().cmp(b.as_bytes()),
        (Some(Value::Int(a)), Some(Value::Int(b))) => a.cmp(b),
        (Some(Value::Int(_)), Some(Value::Text(_))) => Ordering::Less,
        (Some(Value::Text(_)), Some(Value::Int(_))) => Ordering::Greater,
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
    }
}

/// Whether `value` meets `condition`. Null meets `IsNull` alone.
pub(super) fn meets(value: &Option<Value>, condition: &Condition) -> bool {
    let kind = condition.field.kind();
    let Some(found) = value else { return condition.op == Op::IsNull };
    let compared = |wanted: &Value| order(kind, value, &Some(wanted.clone()));
    let first = |test: fn(Ordering) -> bool| condition.values.first().is_some_and(|v| test(compared(v)));
    let listed = || condition.values.iter().any(|v| compared(v) == Ordering::Equal);
    let alike = || match condition.values.first() {
        Some(Value::Text(pattern)) => {
            let found = match found {
                Value::Text(text) => text.clone(),
                Value::Int(number) => number.to_string(),
            };
            Some(like(pattern, &found, kind == Kind::Folded))
        }
        _ => None,
    };
    match condition.op {
        Op::Eq => first(Ordering::is_eq),
        Op::Ne => first(Ordering::is_ne),
        Op::Gt => first(Ordering::is_gt),
        Op::Ge => first(Ordering::is_ge),
        Op::Lt => first(Ordering::is_lt),
        Op::Le => first(Ordering::is_le),
        Op::In => listed(),
        Op::NotIn => !listed(),
        Op::Like => alike() == Some(true),
        Op::NotLike => alike() == Some(false),
        Op::IsNull => false,
        Op::NotNull => true,
    }
}
