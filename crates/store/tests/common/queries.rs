//! Random jobs and random queries over them and their tags, with values that are likely to meet each other.

use longhaul_model::query::{Condition, Field, Filter, Kind, Op, Page, Query, Resource, Sort, Term, Value};
use longhaul_model::{AccountId, JobEvent, NewJob, NewTag};
use proptest::prelude::*;
use proptest::sample::select;

/// What happens to a job after its submission.
pub const FATES: [Option<JobEvent>; 5] = [
    None,
    Some(JobEvent::Resume), // claimed, and running on
    Some(JobEvent::Succeed),
    Some(JobEvent::Fail),
    Some(JobEvent::Suspend),
];

/// Of two accounts.
pub fn account(number: usize) -> AccountId {
    AccountId::v4(number as u128 + 1)
}

/// A job like others, how it goes on, and how much later it comes.
pub fn job() -> impl Strategy<Value = (NewJob, Option<JobEvent>, i64)> {
    let word = || select(vec!["a", "A", "b", "ab", "Ab", "aB%", "b_c", "ä", "Ä", ""]);
    let tags = proptest::collection::vec((any::<bool>(), select(vec!["x", "X", "x::1", "y"])), 0..3);
    let texts = (word(), proptest::option::of(word()), proptest::option::of(select(vec!["t1", "T1", "t2"])));
    let new = (0..2_usize, texts, select(vec!["APIOneMsg", "APITwoMsg"]), word(), tags, any::<u128>())
        .prop_map(|(owner, (name, description, target), job_name, data, tags, bits)| NewJob {
            id: longhaul_model::JobId::v4(bits),
            account: account(owner),
            name: name.to_owned(),
            description: description.map(str::to_owned),
            api_id: longhaul_model::ApiId::chosen(&format!("{:032x}", bits % 3)).expect("32 characters"),
            job_name: job_name.to_owned(),
            job_data: data.to_owned(),
            sealed_data: None,
            target: target.map(str::to_owned),
            request_hash: [0; 32],
            class: longhaul_model::SlotClass::Simulator,
            ordered: false,
            tags: tags.into_iter().map(|(system, text)| NewTag { system, text: text.to_owned() }).collect(),
            terms: longhaul_model::Terms::default(),
            claim_for: None,
        });
    (new, select(FATES.to_vec()), 0..3_i64)
}

fn value(kind: Kind, like: bool) -> BoxedStrategy<Value> {
    let start = longhaul_store::conformance::START_MS;
    match kind {
        _ if like => {
            select(vec!["%", "a%", "A%", "%b", "_", "a_", "%a%b%", "x%", "17%", "Wait%", "\\%", "ab"])
                .prop_map(|t| Value::Text(t.to_owned()))
                .boxed()
        }
        Kind::Number | Kind::Flag => (0..4_i64).prop_map(Value::Int).boxed(),
        Kind::Time => (-2..60_i64).prop_map(move |n| Value::Int(start + n)).boxed(),
        Kind::Exact | Kind::Folded | Kind::Tag | Kind::Copy => {
            let texts = vec![
                "a",
                "A",
                "b",
                "AB",
                "ä",
                "t1",
                "t2",
                "APIOneMsg",
                "APITwoMsg",
                "Waiting",
                "Failed",
                "Succeeded",
                "Running",
                "x",
                "x::1",
                "",
                "m",
                "System",
                "User",
                "LongJobVO",
                "VolumeVO",
                "00000000000000000000000000000001",
            ];
            select(texts).prop_map(|t| Value::Text(t.to_owned())).boxed()
        }
    }
}

fn condition(resource: Resource) -> impl Strategy<Value = Condition> {
    let mut fields = resource.fields().to_vec();
    fields.extend([Field::SystemTag, Field::UserTag, Field::TagUuid]);
    let ops = vec![
        Op::Eq,
        Op::Ne,
        Op::Gt,
        Op::Ge,
        Op::Lt,
        Op::Le,
        Op::In,
        Op::NotIn,
        Op::Like,
        Op::NotLike,
        Op::IsNull,
        Op::NotNull,
    ];
    (select(fields), select(ops)).prop_flat_map(|(field, op)| {
        let count = match op {
            Op::IsNull | Op::NotNull => 0..=0,
            Op::In | Op::NotIn => 0..=4,
            _ => 1..=1,
        };
        let like = matches!(op, Op::Like | Op::NotLike);
        proptest::collection::vec(value(field.kind(), like), count).prop_map(move |values| Condition {
            field,
            op,
            values,
        })
    })
}

fn term(resource: Resource) -> impl Strategy<Value = Term> {
    condition(resource).prop_map(Term::One).prop_recursive(3, 12, 3, |inner| {
        let several = proptest::collection::vec(inner, 0..4);
        (several, any::<bool>())
            .prop_map(|(terms, all)| if all { Term::All(terms) } else { Term::Any(terms) })
    })
}

/// A query of jobs or, one in three, of tags.
pub fn query() -> impl Strategy<Value = Query> {
    use Resource::{Job, SystemTag, UserTag};
    select(vec![Job, Job, Job, Job, SystemTag, UserTag]).prop_flat_map(query_of)
}

fn query_of(resource: Resource) -> impl Strategy<Value = Query> {
    let sort = proptest::option::of((select(resource.fields().to_vec()), any::<bool>()));
    let conditions = proptest::collection::vec(condition(resource), 0..4);
    let terms = proptest::collection::vec(term(resource), 0..2);
    let filter = (conditions, terms, proptest::option::of(0..3_usize));
    (filter, sort, 0..6_u64, 0..12_u32).prop_map(move |((conditions, terms, owner), sort, start, limit)| {
        Query {
            resource,
            filter: Filter { conditions, terms, visible_to: owner.map(account) },
            sort: sort.map(|(field, descending)| Sort { field, descending }),
            page: Page { start, limit },
            want_rows: true,
            want_total: true,
            without_bodies: false,
        }
    })
}
