//! Queries over memory: every row is looked at. How values compare is in `values`.

use async_trait::async_trait;
use longhaul_model::query::{
    Answer, Condition, Field, Filter, Kind, LIMIT_MAX, NEWEST_FIRST, Op, Query, ROWS_MAX_BYTES, Resource,
    Rows, Sort, Term, Value,
};
use longhaul_model::resource::{Tag, Tagged};
use longhaul_model::{AccountId, Job, JobState};

use super::values::{Row, meets, order};
use super::{Db, MemoryStore};
use crate::{Queries, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// Owner of what no account owns: no account has this id.
const NOBODY: AccountId = AccountId::from_bits(0);

#[async_trait]
impl Queries for MemoryStore {
    async fn query(&self, query: &Query) -> Result<Answer> {
        let db = self.lock();
        match query.resource {
            Resource::Job => {
                let rows = db.jobs.values().map(|e| db.seen(&e.job));
                let wrap = |mut jobs: Vec<Job>| {
                    for job in jobs.iter_mut().filter(|_| query.without_bodies) {
                        job.job_data.clear();
                        job.job_result = None;
                    }
                    Rows::Jobs(jobs)
                };
                db.select(query, rows, |job| Some(job.account), wrap)
            }
            Resource::Account => {
                db.select(query, db.accounts.values().cloned(), |a| Some(a.id), Rows::Accounts)
            }
            Resource::Node => {
                db.select(query, db.nodes.values().map(|m| db.told_of(m)), |_| None, Rows::Nodes)
            }
            Resource::Storage => db.select(query, db.storages.values().cloned(), |_| None, Rows::Storages),
            Resource::Volume => {
                db.select(query, db.volumes.values().cloned(), |v| Some(v.account), Rows::Volumes)
            }
            Resource::AccessKey => {
                db.select(query, db.keys.values().cloned(), |k| Some(k.account), Rows::AccessKeys)
            }
            Resource::SystemTag => db.select_tags(query, true, Rows::SystemTags),
            Resource::UserTag => db.select_tags(query, false, Rows::UserTags),
            Resource::BackupStorage => {
                db.select(query, db.backup_storages.values().cloned(), |_| None, Rows::BackupStorages)
            }
            Resource::Image => {
                db.select(query, db.images.values().cloned(), |i| Some(i.account), Rows::Images)
            }
        }
    }

    async fn counts(&self, account: Option<AccountId>) -> Result<Vec<(JobState, u64)>> {
        let db = self.lock();
        let seen =
            |job_account: AccountId| account.is_none_or(|a| a == job_account && !db.retired.contains(&a));
        let count =
            |state| db.jobs.values().filter(|e| e.job.state == state && seen(e.job.account)).count() as u64;
        Ok(JobState::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    async fn tags(&self, resource_uuid: &str) -> Result<Vec<Tag>> {
        let db = self.lock();
        let mut tags: Vec<Tag> =
            db.tags.values().filter(|t| t.resource_uuid == resource_uuid).cloned().collect();
        tags.sort_by_key(|t| (t.create_ms, t.id));
        Ok(tags)
    }
}

impl Db {
    /// System or user tags. A tag belongs to who owns its resource; that of a storage, to admins.
    fn select_tags(&self, query: &Query, system: bool, wrap: fn(Vec<Tag>) -> Rows) -> Result<Answer> {
        let rows = self.tags.values().filter(|tag| tag.system == system).cloned();
        self.select(query, rows, |tag| Some(self.tag_owner(tag).unwrap_or(NOBODY)), wrap)
    }

    fn tag_owner(&self, tag: &Tag) -> Option<AccountId> {
        match Tagged::of(&tag.resource_type, &tag.resource_uuid)? {
            Tagged::Job(id) => self.jobs.get(&id).map(|entry| entry.job.account),
            Tagged::Volume(id) => self.volumes.get(&id).map(|volume| volume.account),
            Tagged::Image(id) => self.images.get(&id).map(|image| image.account),
            Tagged::Storage(_) | Tagged::BackupStorage(_) => None,
        }
    }

    fn select<R: Row>(
        &self,
        query: &Query,
        rows: impl Iterator<Item = R>,
        owner: impl Fn(&R) -> Option<AccountId>,
        wrap: impl Fn(Vec<R>) -> Rows,
    ) -> Result<Answer> {
        let mut found: Vec<R> = rows
            .filter(|row| self.is_visible(&query.filter, owner(row)))
            .filter(|row| query.filter.conditions.iter().all(|c| self.holds(query.resource, row, c)))
            .filter(|row| query.filter.terms.iter().all(|t| self.holds_term(query.resource, row, t)))
            .collect();
        let total = query.want_total.then_some(found.len() as u64);
        if !query.want_rows {
            return Ok(Answer { rows: wrap(Vec::new()), total });
        }
        let sort = query.sort.unwrap_or(match query.resource {
            Resource::Node => Sort { field: Field::JoinDate, ..NEWEST_FIRST },
            _ => NEWEST_FIRST,
        });
        found.sort_by(|a, b| {
            let by_field = order(sort.field.kind(), &a.value(sort.field), &b.value(sort.field));
            let by_uuid = order(Kind::Exact, &a.value(Field::Uuid), &b.value(Field::Uuid));
            let ordering = by_field.then(by_uuid);
            if sort.descending { ordering.reverse() } else { ordering }
        });
        let start = usize::try_from(query.page.start).unwrap_or(usize::MAX);
        let limit = query.page.limit.min(LIMIT_MAX) as usize;
        let page: Vec<R> = found.into_iter().skip(start).take(limit).collect();
        let rows = wrap(page);
        if rows.weight() > ROWS_MAX_BYTES {
            return Err(StoreError::TooLarge { limit_bytes: ROWS_MAX_BYTES });
        }
        Ok(Answer { rows, total })
    }

    fn is_visible(&self, filter: &Filter, owner: Option<AccountId>) -> bool {
        match (filter.visible_to, owner) {
            (Some(account), Some(owner)) => account == owner && !self.retired.contains(&account),
            _ => true,
        }
    }

    fn holds_term(&self, resource: Resource, row: &impl Row, term: &Term) -> bool {
        match term {
            Term::One(condition) => self.holds(resource, row, condition),
            Term::All(terms) => terms.iter().all(|t| self.holds_term(resource, row, t)),
            Term::Any(terms) => terms.iter().any(|t| self.holds_term(resource, row, t)),
        }
    }

    fn holds(&self, resource: Resource, row: &impl Row, condition: &Condition) -> bool {
        if condition.field.kind() == Kind::Copy {
            return row.copies(condition.field).iter().any(|value| meets(value, condition));
        }
        if condition.field.kind() != Kind::Tag {
            return meets(&row.value(condition.field), condition);
        }
        let Some(Value::Text(uuid)) = row.value(Field::Uuid) else { return false };
        let (positive, wanted) = positive_form(condition);
        let system = match condition.field {
            Field::SystemTag => Some(true),
            Field::UserTag => Some(false),
            _ => None, // nothing has a tag of that kind
        };
        let has = self.tags.values().any(|tag| {
            Some(tag.system) == system
                && tag.resource_uuid == uuid
                && tag.resource_type == resource.tag_type()
                && meets(&Some(Value::Text(tag.text.clone())), &positive)
        });
        has == wanted
    }
}

/// A condition on tags as "has a tag that …": the condition on that tag, and whether there must be one.
fn positive_form(condition: &Condition) -> (Condition, bool) {
    let (op, wanted) = match condition.op {
        Op::Ne => (Op::Eq, false),
        Op::NotIn => (Op::In, false),
        Op::NotLike => (Op::Like, false),
        Op::IsNull => (Op::NotNull, false),
        op @ (Op::Eq | Op::Gt | Op::Ge | Op::Lt | Op::Le | Op::In | Op::Like | Op::NotNull) => (op, true),
    };
    (Condition { op, ..condition.clone() }, wanted)
}
