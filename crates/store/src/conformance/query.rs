//! Promises of `Queries`. That both stores answer random queries alike is a property test of its own.

use longhaul_model::query::{
    Answer, Condition, Field, Filter, Op, Page, Query, ROWS_MAX_BYTES, Resource, Rows, Sort, Term, Value,
};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{AccountId, Job, JobEvent, JobState, NewJob, NewTag};

use super::{Bench, SECOND};
use crate::StoreError;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn condition(field: Field, op: Op, values: &[Value]) -> Condition {
    Condition { field, op, values: values.to_vec() }
}

fn query(conditions: Vec<Condition>) -> Query {
    Query {
        resource: Resource::Job,
        filter: Filter { conditions, ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 1000 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    }
}

fn jobs(answer: Answer) -> Vec<Job> {
    match answer.rows {
        Rows::Jobs(jobs) => jobs,
        other => panic!("{other:?}"),
    }
}

/// The names of the jobs that meet one condition, sorted; the total is always that of the rows.
async fn names(t: &Bench, field: Field, op: Op, values: &[Value]) -> Vec<String> {
    let answer = t.store.query(&query(vec![condition(field, op, values)])).await.unwrap();
    let total = answer.total;
    let mut names: Vec<String> = jobs(answer).into_iter().map(|job| job.name).collect();
    assert_eq!(total, Some(names.len() as u64), "{field:?} {op:?} {values:?}");
    names.sort();
    names
}

/// Terms combine conditions: of one kind, nested, with tags, and with nothing inside.
pub async fn terms_combine_conditions(t: &Bench) {
    three(t).await;
    let one = |field, op, value: &str| Term::One(condition(field, op, &[text(value)]));
    let alpha = || one(Field::Name, Op::Eq, "alpha");
    let null_target = || Term::One(condition(Field::TargetResourceUuid, Op::IsNull, &[]));
    let unfinished = || one(Field::State, Op::Ne, "Failed");
    for (terms, found) in [
        (vec![Term::Any(vec![alpha(), null_target()])], "Alpha gamma"),
        (vec![Term::Any(vec![alpha(), null_target()]), Term::Any(vec![unfinished()])], "Alpha gamma"),
        (vec![Term::All(vec![alpha(), null_target()])], ""),
        (vec![Term::Any(vec![Term::All(vec![unfinished(), null_target()]), alpha()])], "Alpha gamma"),
        (
            vec![Term::Any(vec![
                one(Field::State, Op::Eq, "Failed"),
                one(Field::JobData, Op::Like, "%of%gamma%"),
            ])],
            "beta gamma",
        ),
        // Null meets no comparison, so neither side holds for gamma.
        (
            vec![Term::Any(vec![
                one(Field::TargetResourceUuid, Op::Ne, "t1"),
                one(Field::TargetResourceUuid, Op::Eq, "t1"),
            ])],
            "Alpha beta",
        ),
        (vec![Term::Any(vec![one(Field::UserTag, Op::Ne, "no such tag")])], "Alpha beta gamma"),
        (vec![Term::Any(Vec::new())], ""),
        (vec![Term::All(Vec::new())], "Alpha beta gamma"),
    ] {
        let asked =
            Query { filter: Filter { terms: terms.clone(), ..Filter::default() }, ..query(Vec::new()) };
        let answer = t.store.query(&asked).await.unwrap();
        let total = answer.total;
        let mut names: Vec<String> = jobs(answer).into_iter().map(|job| job.name).collect();
        names.sort();
        assert_eq!((names.join(" "), total), (found.to_owned(), Some(names.len() as u64)), "{terms:?}");
    }
}

/// Three jobs: `Alpha` waits on target t1, `beta` has failed on t2, `gamma` runs and has no target.
async fn three(t: &Bench) -> [Job; 3] {
    let new = |name: &str, target: Option<&str>| NewJob {
        name: name.to_owned(),
        target: target.map(str::to_owned),
        job_data: format!("{{\"Of\":\"{name}\"}}"),
        ..t.new_job()
    };
    let gamma = NewJob { description: Some("Third".to_owned()), ..new("gamma", None) };
    let gamma = t.submit(gamma).await.0.id;
    let node = t.node().await;
    t.claim_as(node).await;
    t.clock.advance(SECOND);
    let beta = t.submit(new("beta", Some("t2"))).await.0.id;
    let claim = t.claim_as(node).await;
    t.clock.advance(SECOND);
    t.apply(&claim, JobEvent::Fail).await.unwrap();
    let alpha = t.submit(new("Alpha", Some("t1"))).await.0.id;
    [t.job(alpha).await, t.job(beta).await, t.job(gamma).await]
}

/// Without more said: newest first, by date and then by uuid.
pub async fn the_newest_comes_first(t: &Bench) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        for _ in 0..4 {
            expected.push(t.submit(t.new_job()).await.0);
        }
        t.clock.advance(SECOND);
    }
    expected.sort_by_key(|job| std::cmp::Reverse((job.create_ms, job.id)));
    assert_eq!(jobs(t.store.query(&query(Vec::new())).await.unwrap()), expected);
    let mut oldest = query(Vec::new());
    oldest.sort = Some(Sort { field: Field::CreateDate, descending: false });
    expected.reverse();
    assert_eq!(jobs(t.store.query(&oldest).await.unwrap()), expected);
    oldest.page = Page { start: 5, limit: 3 };
    let page = t.store.query(&oldest).await.unwrap();
    assert_eq!(page.total, Some(12), "of all, not of the page");
    assert_eq!(jobs(page), expected[5..8]);
}

/// Rows and total only if they are wanted.
pub async fn what_is_not_wanted_is_not_answered(t: &Bench) {
    three(t).await;
    let count = Query { want_rows: false, ..query(Vec::new()) };
    let answer = t.store.query(&count).await.unwrap();
    assert_eq!((answer.rows, answer.total), (Rows::Jobs(Vec::new()), Some(3)));
    let rows = Query { want_total: false, ..query(Vec::new()) };
    assert_eq!(t.store.query(&rows).await.unwrap().total, None);
}

/// Ids, states and type names compare exactly.
pub async fn exact_text_compares_byte_by_byte(t: &Bench) {
    let [alpha, beta, _] = three(t).await;
    let uuid = text(&alpha.id.to_string());
    assert_eq!(names(t, Field::Uuid, Op::Eq, std::slice::from_ref(&uuid)).await, ["Alpha"]);
    assert_eq!(names(t, Field::Uuid, Op::Ne, &[uuid]).await, ["beta", "gamma"]);
    assert_eq!(names(t, Field::ApiId, Op::Eq, &[text(beta.api_id.as_str())]).await, ["beta"]);
    assert_eq!(names(t, Field::State, Op::Eq, &[text("Failed")]).await, ["beta"]);
    assert!(names(t, Field::State, Op::Eq, &[text("failed")]).await.is_empty());
    assert_eq!(names(t, Field::JobName, Op::Like, &[text("API%")]).await.len(), 3);
    assert!(names(t, Field::JobName, Op::Like, &[text("api%")]).await.is_empty());
    assert_eq!(names(t, Field::TargetResourceUuid, Op::Gt, &[text("t1")]).await, ["beta"]);
}

/// Every operator on the state.
pub async fn states_are_found_by_every_operator(t: &Bench) {
    three(t).await;
    for (op, values, expected) in [
        (Op::Ne, vec![text("Failed")], vec!["Alpha", "gamma"]),
        (Op::In, vec![text("Failed"), text("Waiting"), text("Failed")], vec!["Alpha", "beta"]),
        (Op::In, vec![], vec![]),
        (Op::NotIn, vec![text("Failed"), text("Waiting")], vec!["gamma"]),
        (Op::NotIn, vec![], vec!["Alpha", "beta", "gamma"]),
        (Op::Like, vec![text("%ing")], vec!["Alpha", "gamma"]),
        (Op::NotLike, vec![text("%ing")], vec!["beta"]),
        (Op::Ge, vec![text("Running")], vec!["Alpha", "gamma"]),
        (Op::Lt, vec![text("Running")], vec!["beta"]),
        (Op::IsNull, vec![], vec![]),
        (Op::NotNull, vec![], vec!["Alpha", "beta", "gamma"]),
    ] {
        assert_eq!(names(t, Field::State, op, &values).await, expected, "{op:?}");
    }
}

/// Names and texts compare without regard to ASCII case.
pub async fn texts_for_people_ignore_ascii_case(t: &Bench) {
    three(t).await;
    assert_eq!(names(t, Field::Name, Op::Eq, &[text("ALPHA")]).await, ["Alpha"]);
    assert_eq!(
        names(t, Field::Name, Op::In, &[text("alpha"), text("ALPHA"), text("BETA")]).await,
        ["Alpha", "beta"]
    );
    assert_eq!(names(t, Field::Name, Op::Lt, &[text("BETA")]).await, ["Alpha"]);
    assert_eq!(names(t, Field::Name, Op::Like, &[text("al%")]).await, ["Alpha"]);
    assert_eq!(names(t, Field::Name, Op::Like, &[text("%A")]).await, ["Alpha", "beta", "gamma"]);
    assert_eq!(names(t, Field::Name, Op::Like, &[text("_eta")]).await, ["beta"]);
    assert_eq!(names(t, Field::Name, Op::NotLike, &[text("%ETA")]).await, ["Alpha", "gamma"]);
    assert_eq!(names(t, Field::JobData, Op::Like, &[text("%\"of\":\"BETA\"%")]).await, ["beta"]);
    assert_eq!(names(t, Field::Description, Op::Eq, &[text("third")]).await, ["gamma"]);
}

/// A pattern has no escape character.
pub async fn a_pattern_has_no_escape_character(t: &Bench) {
    t.submit(NewJob { name: "100\\% sure".to_owned(), ..t.new_job() }).await;
    t.submit(NewJob { name: "100% sure".to_owned(), ..t.new_job() }).await;
    assert_eq!(names(t, Field::Name, Op::Like, &[text("100\\%")]).await, ["100\\% sure"]);
}

/// Null is met by `is null` alone.
pub async fn null_is_met_by_is_null_alone(t: &Bench) {
    three(t).await;
    let field = Field::TargetResourceUuid;
    assert_eq!(names(t, field, Op::IsNull, &[]).await, ["gamma"]);
    assert_eq!(names(t, field, Op::NotNull, &[]).await, ["Alpha", "beta"]);
    assert_eq!(names(t, field, Op::Ne, &[text("t1")]).await, ["beta"]);
    assert_eq!(names(t, field, Op::NotIn, &[text("t1"), text("x")]).await, ["beta"]);
    assert_eq!(names(t, field, Op::NotIn, &[]).await, ["Alpha", "beta"]);
    assert_eq!(names(t, field, Op::NotLike, &[text("%1")]).await, ["beta"]);
    assert_eq!(names(t, Field::JobResult, Op::IsNull, &[]).await.len(), 3);
    assert_eq!(names(t, Field::ExecuteTime, Op::IsNull, &[]).await, ["Alpha", "gamma"]);
}

/// Numbers and moments compare as numbers.
pub async fn numbers_and_moments_compare_as_numbers(t: &Bench) {
    let [alpha, beta, gamma] = three(t).await;
    let at = |job: &Job| Value::Int(job.create_ms);
    assert_eq!(names(t, Field::CreateDate, Op::Ge, &[at(&beta)]).await, ["Alpha", "beta"]);
    assert_eq!(names(t, Field::CreateDate, Op::Lt, &[at(&beta)]).await, ["gamma"]);
    assert_eq!(names(t, Field::CreateDate, Op::In, &[at(&alpha), at(&gamma)]).await, ["Alpha", "gamma"]);
    assert_eq!(names(t, Field::ExecuteTime, Op::Eq, &[Value::Int(1)]).await, ["beta"]);
    assert_eq!(names(t, Field::ExecuteTime, Op::Ne, &[Value::Int(1)]).await, Vec::<String>::new());
    assert_eq!(names(t, Field::LastOpDate, Op::Gt, &[at(&gamma)]).await, ["Alpha", "beta"]);
    let year = text(&format!("{}%", alpha.create_ms / 1000));
    assert_eq!(names(t, Field::CreateDate, Op::Like, &[year]).await, ["Alpha"]);
}

/// A node that is gone is not found.
pub async fn a_job_is_found_by_a_node_that_lives(t: &Bench) {
    let [_, _, gamma] = three(t).await;
    let node = text(&gamma.node.unwrap().to_string());
    let of_node = || names(t, Field::ManagementNodeUuid, Op::Eq, std::slice::from_ref(&node));
    assert_eq!(of_node().await, ["beta", "gamma"]);
    t.store.leave(gamma.node.unwrap()).await.unwrap();
    assert!(of_node().await.is_empty());
    assert_eq!(names(t, Field::ManagementNodeUuid, Op::IsNull, &[]).await.len(), 3);
}

/// Conditions on tags ask whether there is such a tag.
pub async fn a_tag_condition_asks_whether_there_is_such_a_tag(t: &Bench) {
    let tagged = |name: &str, tags: &[(bool, &str)]| NewJob {
        name: name.to_owned(),
        tags: tags
            .iter()
            .map(|(system, text)| NewTag { system: *system, text: (*text).to_owned() })
            .collect(),
        ..t.new_job()
    };
    t.submit(tagged("both", &[(true, "a::1"), (true, "a::2"), (false, "mine")])).await;
    t.submit(tagged("one", &[(true, "a::1")])).await;
    t.submit(tagged("none", &[])).await;
    let field = Field::SystemTag;
    assert_eq!(names(t, field, Op::Eq, &[text("a::1")]).await, ["both", "one"]);
    assert!(names(t, field, Op::Eq, &[text("A::1")]).await.is_empty(), "exact");
    assert_eq!(names(t, field, Op::Like, &[text("a::_")]).await, ["both", "one"]);
    assert_eq!(names(t, field, Op::In, &[text("a::2"), text("x")]).await, ["both"]);
    assert_eq!(names(t, field, Op::Ne, &[text("a::2")]).await, ["none", "one"]);
    assert_eq!(names(t, field, Op::NotIn, &[text("a::2")]).await, ["none", "one"]);
    assert_eq!(names(t, field, Op::NotLike, &[text("a::%")]).await, ["none"]);
    assert_eq!(names(t, field, Op::IsNull, &[]).await, ["none"]);
    assert_eq!(names(t, field, Op::NotNull, &[]).await, ["both", "one"]);
    assert_eq!(names(t, Field::UserTag, Op::Eq, &[text("mine")]).await, ["both"]);
    assert!(names(t, Field::UserTag, Op::Eq, &[text("a::1")]).await.is_empty());
    assert!(names(t, Field::TagUuid, Op::Eq, &[text("x")]).await.is_empty());
    assert_eq!(names(t, Field::TagUuid, Op::Ne, &[text("x")]).await.len(), 3);
}

/// All conditions must hold, and the total with them.
pub async fn all_conditions_must_hold(t: &Bench) {
    three(t).await;
    let conditions = vec![
        condition(Field::Name, Op::Like, &[text("%a")]),
        condition(Field::State, Op::In, &[text("Running"), text("Failed")]),
        condition(Field::Description, Op::IsNull, &[]),
    ];
    let answer = t.store.query(&query(conditions)).await.unwrap();
    assert_eq!(answer.total, Some(1));
    assert_eq!(jobs(answer)[0].name, "beta");
}

/// An account sees its own jobs; the counts are its own too.
pub async fn an_account_sees_what_it_owns(t: &Bench) {
    three(t).await;
    let other = AccountId::random(&*t.clock);
    let (mine, _) = t.submit(NewJob { account: other, ..t.new_job() }).await;
    let mut owned = query(vec![condition(Field::State, Op::In, &[text("Waiting"), text("Failed")])]);
    owned.filter.visible_to = Some(other);
    let answer = t.store.query(&owned).await.unwrap();
    assert_eq!(answer.total, Some(1));
    assert_eq!(jobs(answer), [mine]);
    let count = |state, of| async move {
        let counts = t.store.counts(of).await.unwrap();
        assert_eq!(counts.len(), JobState::ALL.len());
        counts.into_iter().find(|(s, _)| *s == state).unwrap().1
    };
    assert_eq!(count(JobState::Waiting, None).await, 2);
    assert_eq!(count(JobState::Waiting, Some(other)).await, 1);
    assert_eq!(count(JobState::Failed, Some(other)).await, 0);
}

/// Counts follow every change of a job.
pub async fn counts_follow_every_change(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let counted = || async {
        let counts = t.store.counts(Some(t.account)).await.unwrap();
        counts.into_iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>()
    };
    assert_eq!(counted().await, [(JobState::Running, 1)]);
    let _refused = t.apply(&claim, JobEvent::Start).await;
    t.cancel(claim.job).await;
    assert_eq!(counted().await, [(JobState::Canceling, 1)]);
    t.apply(&claim, JobEvent::Stopped).await.unwrap();
    assert_eq!(counted().await, [(JobState::Canceled, 1)]);
    t.rerun(claim.job).await;
    assert_eq!(counted().await, [(JobState::Waiting, 1)]);
    let job = t.job(claim.job).await;
    t.store.delete_job(job.id, job.version, None).await.unwrap();
    assert_eq!(counted().await, []);
}

/// Every field sorts, null first; ties by uuid in the same direction.
pub async fn every_field_sorts(t: &Bench) {
    let [alpha, beta, gamma] = three(t).await;
    let sorted = |field, descending| async move {
        let by = Query { sort: Some(Sort { field, descending }), ..query(Vec::new()) };
        jobs(t.store.query(&by).await.unwrap()).into_iter().map(|j| j.id).collect::<Vec<_>>()
    };
    assert_eq!(sorted(Field::Name, false).await, [alpha.id, beta.id, gamma.id]);
    assert_eq!(sorted(Field::TargetResourceUuid, false).await, [gamma.id, alpha.id, beta.id]);
    assert_eq!(sorted(Field::TargetResourceUuid, true).await, [beta.id, alpha.id, gamma.id]);
    assert_eq!(sorted(Field::Description, true).await[0], gamma.id);
    let mut by_uuid = vec![alpha.id, beta.id, gamma.id];
    by_uuid.sort_unstable();
    assert_eq!(sorted(Field::JobName, false).await, by_uuid);
    by_uuid.reverse();
    assert_eq!(sorted(Field::JobName, true).await, by_uuid);
    for field in Resource::Job.fields() {
        assert_eq!(sorted(*field, false).await.len(), 3, "{field:?}");
    }
}

/// A page behind the end is empty; the total is still told.
pub async fn a_page_behind_the_end_is_empty(t: &Bench) {
    three(t).await;
    let far = Query { page: Page { start: 1_000_000, limit: 10 }, ..query(Vec::new()) };
    let answer = t.store.query(&far).await.unwrap();
    assert_eq!((answer.rows, answer.total), (Rows::Jobs(Vec::new()), Some(3)));
}

/// Lists may be long.
pub async fn a_list_may_have_a_thousand_values(t: &Bench) {
    three(t).await;
    let mut values: Vec<Value> = (0..999).map(|n| text(&format!("x{n}"))).collect();
    values.push(text("T1"));
    values.push(text("t1"));
    assert_eq!(names(t, Field::TargetResourceUuid, Op::In, &values).await, ["Alpha"]);
    assert_eq!(names(t, Field::TargetResourceUuid, Op::NotIn, &values).await, ["beta"]);
    values.push(text("GAMMA"));
    assert_eq!(names(t, Field::Name, Op::In, &values).await, ["gamma"]);
}

/// What is changed is found under its new values.
pub async fn a_changed_job_is_found_under_its_new_name(t: &Bench) {
    let [alpha, ..] = three(t).await;
    let mut change = t.asked(TimelineKind::Updated);
    change.name = Some("omega".to_owned());
    t.store.change(alpha.id, alpha.version, change, None).await.unwrap();
    assert!(names(t, Field::Name, Op::Eq, &[text("Alpha")]).await.is_empty());
    assert_eq!(names(t, Field::Name, Op::Eq, &[text("OMEGA")]).await, ["omega"]);
}

/// Fields that are not stored are queried like the others.
pub async fn every_resource_is_queried_alike(t: &Bench) {
    let storage = t.storage("/pool").await;
    let volume = t.store.create_volume(t.new_volume(storage.id, "/pool/1")).await.unwrap();
    let mut admin = t.new_account("admin");
    admin.admin = true;
    let admin = t.store.create_account(admin).await.unwrap();
    let ann = t.store.create_account(t.new_account("ann")).await.unwrap();
    let ask = |resource, visible_to, conditions: Vec<Condition>| async move {
        let filter = Filter { conditions, visible_to, ..Filter::default() };
        t.store.query(&Query { resource, filter, ..query(Vec::new()) }).await.unwrap().rows
    };
    let normal = condition(Field::Type, Op::Eq, &[text("Normal")]);
    assert_eq!(ask(Resource::Account, None, vec![normal]).await, Rows::Accounts(vec![ann.clone()]));
    let like_admin = condition(Field::Type, Op::Like, &[text("System%")]);
    assert_eq!(ask(Resource::Account, None, vec![like_admin]).await, Rows::Accounts(vec![admin]));
    assert_eq!(ask(Resource::Account, Some(ann.id), vec![]).await, Rows::Accounts(vec![ann.clone()]));
    let mounted = condition(Field::MountPath, Op::Eq, &[text("/pool")]);
    let zone = condition(Field::ZoneUuid, Op::Eq, &[text(crate::derived::ZONE_UUID)]);
    let found = ask(Resource::Storage, Some(ann.id), vec![mounted, zone]).await;
    assert_eq!(found, Rows::Storages(vec![storage]), "a storage has no owner");
    let shared = condition(Field::IsShareable, Op::Eq, &[Value::Int(1)]);
    assert_eq!(ask(Resource::Volume, None, vec![shared]).await, Rows::Volumes(vec![]));
    let size = condition(Field::Size, Op::Ge, &[Value::Int(1 << 30)]);
    assert_eq!(ask(Resource::Volume, None, vec![size.clone()]).await, Rows::Volumes(vec![volume]));
    assert_eq!(ask(Resource::Volume, Some(ann.id), vec![size]).await, Rows::Volumes(vec![]));
    for resource in Resource::ALL {
        for field in resource.fields() {
            let sort = Some(Sort { field: *field, descending: true });
            let all = Query { resource, sort, ..query(Vec::new()) };
            assert!(t.store.query(&all).await.is_ok(), "{resource:?} {field:?}");
        }
    }
}

/// Rows of more than `ROWS_MAX_BYTES` are refused; fewer, or the same without what is large, are answered.
pub async fn an_answer_has_so_many_bytes_at_most(t: &Bench) {
    let data = "x".repeat(1 << 20);
    let jobs = u32::try_from(ROWS_MAX_BYTES >> 20).unwrap();
    for _ in 0..jobs {
        t.submit(NewJob { job_data: data.clone(), ..t.new_job() }).await;
    }
    let refused = t.store.query(&query(Vec::new())).await;
    assert_eq!(refused, Err(StoreError::TooLarge { limit_bytes: ROWS_MAX_BYTES }));
    let fewer = Query { page: Page { start: 0, limit: jobs - 1 }, ..query(Vec::new()) };
    let Rows::Jobs(rows) = t.store.query(&fewer).await.unwrap().rows else { panic!("jobs") };
    assert!(rows.len() as u32 == jobs - 1 && rows.iter().all(|job| job.job_data == data));
    let without = Query { without_bodies: true, ..query(Vec::new()) };
    let Rows::Jobs(rows) = t.store.query(&without).await.unwrap().rows else { panic!("jobs") };
    assert!(
        rows.len() as u32 == jobs
            && rows.iter().all(|job| job.job_data.is_empty() && job.job_result.is_none())
    );
    let count = Query { want_rows: false, ..query(Vec::new()) };
    assert_eq!(t.store.query(&count).await.unwrap().total, Some(u64::from(jobs)));
}
