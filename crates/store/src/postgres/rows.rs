//! Reading rows: stored text and numbers back into the model's types. What cannot be read is damage.

use std::fmt::Display;
use std::str::FromStr;

use longhaul_model::progress::Progress;
use longhaul_model::resource::{AccessKey, Account, Node, Storage, StorageKind, StorageState, Tag, Volume};
use longhaul_model::timeline::{Actor, TimelineKind, TimelineRow};
use longhaul_model::{AccountId, ApiId, Job, JobState, NodeId, SlotClass, SuspendReason, Terms};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::Result;
use crate::StoreError;

/// The columns of a job in the order that `job` reads them, from `job AS j` and `job_body AS b`. A node that
/// is gone is not named.
pub(super) const JOB: &str = "j.uuid, j.account, j.name, b.description, j.api_id, j.job_name, b.job_data,
    b.job_result, j.state, j.suspend, j.retry_at_ms, j.target,
    (SELECT n.uuid FROM node AS n WHERE n.uuid = j.node), j.create_ms, j.last_op_ms, j.started_ms,
    j.execute_s, j.version, j.attempt, j.token, b.terms, j.retried";

/// What `JOB` says of the node.
pub(super) const NODE_OF_JOB: &str = "(SELECT n.uuid FROM node AS n WHERE n.uuid = j.node)";

/// The same without its request and its result, which are most of it.
pub(super) const JOB_WITHOUT_BODIES: &str =
    "j.uuid, j.account, j.name, b.description, j.api_id, j.job_name, '',
    NULL, j.state, j.suspend, j.retry_at_ms, j.target,
    (SELECT n.uuid FROM node AS n WHERE n.uuid = j.node), j.create_ms, j.last_op_ms, j.started_ms,
    j.execute_s, j.version, j.attempt, j.token, b.terms, j.retried";

/// How many columns `JOB` has: what follows them starts there.
pub(super) const AFTER_JOB: usize = 22;

pub(super) fn job(row: &Row) -> Result<Job> {
    let state: String = get(row, 8)?;
    let suspend: Option<i64> = get(row, 9)?;
    Ok(Job {
        id: id(row, 0)?,
        account: id(row, 1)?,
        name: get(row, 2)?,
        description: get(row, 3)?,
        api_id: ApiId::chosen(&get::<String>(row, 4)?).ok_or_else(|| damaged(4, "an API id"))?,
        job_name: get(row, 5)?,
        job_data: get(row, 6)?,
        job_result: get(row, 7)?,
        state: JobState::from_name(&state).ok_or_else(|| damaged(8, "a state"))?,
        suspend: suspend.map(suspend_reason).transpose()?,
        retry_at_ms: get(row, 10)?,
        target: get(row, 11)?,
        node: maybe_id(row, 12)?,
        create_ms: get(row, 13)?,
        last_op_ms: get(row, 14)?,
        started_ms: get(row, 15)?,
        execute_s: maybe_count(row, 16)?,
        version: count(row, 17)?,
        attempt: small(row, 18)?,
        token: count(row, 19)?,
        terms: terms(get(row, 20)?)?,
        retried: small(row, 21)?,
    })
}

/// Most jobs have the default terms, which are not stored.
fn terms(json: Option<&str>) -> Result<Terms> {
    json.map_or_else(
        || Ok(Terms::default()),
        |json| serde_json::from_str(json).map_err(|_| damaged(20, "terms")),
    )
}

/// What is stored of terms.
pub(super) fn terms_text(terms: &Terms) -> Option<String> {
    if *terms == Terms::default() { None } else { serde_json::to_string(terms).ok() }
}

pub(super) fn suspend_number(reason: SuspendReason) -> i64 {
    match reason {
        SuspendReason::User => 0,
        SuspendReason::Fault => 1,
        SuspendReason::Storage => 2,
    }
}

fn suspend_reason(number: i64) -> Result<SuspendReason> {
    match number {
        0 => Ok(SuspendReason::User),
        1 => Ok(SuspendReason::Fault),
        2 => Ok(SuspendReason::Storage),
        _ => Err(damaged(9, "a reason of suspension")),
    }
}

pub(super) fn class_number(class: SlotClass) -> i64 {
    match class {
        SlotClass::BuiltIn => 0,
        SlotClass::Simulator => 1,
        SlotClass::Parent => 2,
    }
}

/// Columns: seq, at_ms, kind, actor, attempt, token, detail.
pub(super) fn timeline(row: &Row) -> Result<TimelineRow> {
    let kind = usize::try_from(get::<i64>(row, 2)?).map_err(|_| damaged(2, "a kind"))?;
    let actor: &[u8] = get(row, 3)?;
    let (kind_of_actor, bits) = actor.split_first().ok_or_else(|| damaged(3, "an actor"))?;
    let bits = u128::from_be_bytes(bits.try_into().map_err(|_| damaged(3, "an actor"))?);
    Ok(TimelineRow {
        seq: count(row, 0)?,
        at_ms: get(row, 1)?,
        kind: *TimelineKind::ALL.get(kind).ok_or_else(|| damaged(2, "a kind"))?,
        actor: match kind_of_actor {
            0 => Actor::Account(AccountId::from_bits(bits)),
            1 => Actor::Node(NodeId::from_bits(bits)),
            _ => return Err(damaged(3, "an actor")),
        },
        attempt: small(row, 4)?,
        token: count(row, 5)?,
        detail: get(row, 6)?,
    })
}

pub(super) fn actor_bytes(actor: Actor) -> [u8; 17] {
    let (kind, bits) = match actor {
        Actor::Account(id) => (0, id.bits()),
        Actor::Node(id) => (1, id.bits()),
    };
    let mut bytes = [kind; 17];
    bytes[1..].copy_from_slice(&bits.to_be_bytes());
    bytes
}

pub(super) fn kind_number(kind: TimelineKind) -> i64 {
    TimelineKind::ALL.iter().position(|k| *k == kind).map_or(-1, |n| n as i64)
}

/// Columns from `at` on: percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms.
pub(super) fn progress(row: &Row, at: usize) -> Result<Progress> {
    Ok(Progress {
        percent: u8::try_from(get::<i64>(row, at)?).map_err(|_| damaged(at, "a percentage"))?,
        stage: get(row, at + 1)?,
        bytes_done: count(row, at + 2)?,
        bytes_total: count(row, at + 3)?,
        rate_bytes_per_s: count(row, at + 4)?,
        eta_s: maybe_count(row, at + 5)?,
        stalled: flag(row, at + 6)?,
        parts: None,
        at_ms: get(row, at + 7)?,
    })
}

/// The columns of an account, in the order that `account` reads them.
pub(super) const ACCOUNT: &str =
    "j.uuid, j.name, j.description, j.admin, j.password_hash, j.create_ms, j.last_op_ms";

pub(super) fn account(row: &Row) -> Result<Account> {
    Ok(Account {
        id: id(row, 0)?,
        name: get(row, 1)?,
        description: get(row, 2)?,
        admin: flag(row, 3)?,
        password_hash: get(row, 4)?,
        create_ms: get(row, 5)?,
        last_op_ms: get(row, 6)?,
    })
}

/// The columns of a node, in the order that `node` reads them.
pub(super) const NODE: &str = "j.uuid, j.host, j.host_name, j.join_ms, j.heartbeat_ms, j.address, j.version,
    EXISTS (SELECT 1 FROM drained_host AS d WHERE d.host = j.host)";

pub(super) fn node(row: &Row) -> Result<Node> {
    Ok(Node {
        id: id(row, 0)?,
        host: id(row, 1)?,
        host_name: get(row, 2)?,
        join_ms: get(row, 3)?,
        heartbeat_ms: get(row, 4)?,
        address: get(row, 5)?,
        version: get(row, 6)?,
        drained: get(row, 7)?,
    })
}

/// The columns of a storage, in the order that `storage` reads them.
pub(super) const STORAGE: &str = "j.uuid, j.name, j.description, j.kind, j.url, j.host, j.state, j.status,
    j.total_bytes, j.available_bytes, j.create_ms, j.last_op_ms, j.mount, j.pool";

pub(super) fn storage(row: &Row) -> Result<Storage> {
    let (kind, state, pool): (String, String, Option<String>) = (get(row, 3)?, get(row, 6)?, get(row, 13)?);
    Ok(Storage {
        id: id(row, 0)?,
        name: get(row, 1)?,
        description: get(row, 2)?,
        kind: StorageKind::from_name(&kind).ok_or_else(|| damaged(3, "a kind of storage"))?,
        url: get(row, 4)?,
        mount: get(row, 12)?,
        pool: pool.map(|p| serde_json::from_str(&p)).transpose().map_err(|_| damaged(13, "a pool"))?,
        host: maybe_id(row, 5)?,
        elsewhere: None,
        state: StorageState::from_name(&state).ok_or_else(|| damaged(6, "a state"))?,
        status: get(row, 7)?,
        total_bytes: count(row, 8)?,
        available_bytes: count(row, 9)?,
        create_ms: get(row, 10)?,
        last_op_ms: get(row, 11)?,
    })
}

/// The columns of a volume, in the order that `volume` reads them.
pub(super) const VOLUME: &str = "j.uuid, j.account, j.name, j.description, j.storage, j.install_path, j.kind,
    j.format, j.size, j.actual_size, j.state, j.status, j.deleted_ms, j.create_ms, j.last_op_ms";

pub(super) fn volume(row: &Row) -> Result<Volume> {
    Ok(Volume {
        id: id(row, 0)?,
        account: id(row, 1)?,
        name: get(row, 2)?,
        description: get(row, 3)?,
        storage: maybe_id(row, 4)?,
        install_path: get(row, 5)?,
        kind: get(row, 6)?,
        format: get(row, 7)?,
        size: count(row, 8)?,
        actual_size: maybe_count(row, 9)?,
        state: get(row, 10)?,
        status: get(row, 11)?,
        deleted_ms: get(row, 12)?,
        create_ms: get(row, 13)?,
        last_op_ms: get(row, 14)?,
    })
}

/// The columns of an access key, in the order that `access_key` reads them.
pub(super) const ACCESS_KEY: &str = "j.uuid, j.account, j.description, j.access_id, j.sealed_secret, j.state,
    j.create_ms, j.last_op_ms";

pub(super) fn access_key(row: &Row) -> Result<AccessKey> {
    Ok(AccessKey {
        id: id(row, 0)?,
        account: id(row, 1)?,
        description: get(row, 2)?,
        access_id: get(row, 3)?,
        sealed_secret: get(row, 4)?,
        enabled: get::<&str>(row, 5)? == crate::derived::key_state(true),
        create_ms: get(row, 6)?,
        last_op_ms: get(row, 7)?,
    })
}

/// The columns of a tag, in the order that `tag` reads them. One that was never changed has no date of it.
pub(super) const TAG: &str = "j.uuid, j.resource_uuid, j.resource_type, j.system, j.text, j.create_ms,
    coalesce(j.last_op_ms, j.create_ms)";

pub(super) fn tag(row: &Row) -> Result<Tag> {
    Ok(Tag {
        id: id(row, 0)?,
        resource_uuid: get(row, 1)?,
        resource_type: get(row, 2)?,
        system: flag(row, 3)?,
        text: get(row, 4)?,
        create_ms: get(row, 5)?,
        last_op_ms: get(row, 6)?,
    })
}

/// The column at `at`, counted from 0. Every number is `i64`, every text `String` or `&str`, every blob `Vec<u8>` or
/// `&[u8]`; `Option` where it may be null.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        StoreError::Corrupt(format!("column {at}: {}", cause.unwrap_or_else(|| error.to_string())))
    })
}

/// Yes (1) or no (0).
pub(super) fn flag(row: &Row, at: usize) -> Result<bool> {
    Ok(get::<i64>(row, at)? != 0)
}

/// A typed id from text.
pub(super) fn id<T: FromStr<Err: Display>>(row: &Row, at: usize) -> Result<T> {
    get::<&str>(row, at)?.parse().map_err(|_| damaged(at, "an id"))
}

/// A typed id from text, or null.
pub(super) fn maybe_id<T: FromStr<Err: Display>>(row: &Row, at: usize) -> Result<Option<T>> {
    get::<Option<&str>>(row, at)?.map(|text| text.parse().map_err(|_| damaged(at, "an id"))).transpose()
}

/// A number that is never negative.
pub(super) fn count(row: &Row, at: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| damaged(at, "a number"))
}

/// A number that is never negative, or null.
pub(super) fn maybe_count(row: &Row, at: usize) -> Result<Option<u64>> {
    let number: Option<i64> = get(row, at)?;
    number.map(|n| u64::try_from(n).map_err(|_| damaged(at, "a number"))).transpose()
}

pub(super) fn small(row: &Row, at: usize) -> Result<u32> {
    u32::try_from(get::<i64>(row, at)?).map_err(|_| damaged(at, "a number"))
}

pub(super) fn damaged(column: usize, what: &str) -> StoreError {
    StoreError::Corrupt(format!("column {column}: not {what}"))
}
