//! The grammar, row by row of rest-api.md section 5.

use jiff::tz::TimeZone;
use longhaul_model::query::{Condition, Field, LIMIT_DEFAULT, NEWEST_FIRST, Sort, Value};
use longhaul_model::{Code, Fault};
use proptest::prelude::*;

use super::*;
use crate::decode::Misuse;
use crate::inventory::ZoneInventory;
use crate::profile::Profile;
use crate::time::TimeFormat;

fn raw(pairs: &[(&str, &str)]) -> Result<RawQuery, Misuse> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    RawQuery::parse(&pairs)
}

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn ask(resource: Resource, profile: Profile, pairs: &[(&str, &str)]) -> Result<Resolved, Fault> {
    let raw = raw(pairs).map_err(|m| Fault::internal(m.text(profile)))?;
    resolve(&raw, resource, &TimeFormat::new(profile, zone()))
}

fn jobs(pairs: &[(&str, &str)]) -> Result<Resolved, Fault> {
    ask(Resource::Job, Profile::Fast, pairs)
}

/// The conditions of `q` on jobs.
fn conditions(q: &str) -> Vec<Condition> {
    jobs(&[("q", q)]).map(|r| r.query.filter.conditions).unwrap_or_else(|f| panic!("{q}: {f}"))
}

fn text(field: Field, op: Op, values: &[&str]) -> Vec<Condition> {
    vec![Condition { field, op, values: values.iter().map(|v| Value::Text((*v).to_owned())).collect() }]
}

fn int(field: Field, op: Op, value: i64) -> Condition {
    Condition { field, op, values: vec![Value::Int(value)] }
}

#[test]
fn every_operator_is_read() {
    assert_eq!(conditions("state=Running"), text(Field::State, Op::Eq, &["Running"]));
    assert_eq!(conditions("state!=Running"), text(Field::State, Op::Ne, &["Running"]));
    assert_eq!(conditions("name>a"), text(Field::Name, Op::Gt, &["a"]));
    assert_eq!(conditions("name>=a"), text(Field::Name, Op::Ge, &["a"]));
    assert_eq!(conditions("name<a"), text(Field::Name, Op::Lt, &["a"]));
    assert_eq!(conditions("name<=a"), text(Field::Name, Op::Le, &["a"]));
    assert_eq!(conditions("state?=Running,Waiting"), text(Field::State, Op::In, &["Running", "Waiting"]));
    assert_eq!(conditions("state!?=a, b"), text(Field::State, Op::NotIn, &["a", " b"]));
    assert_eq!(conditions("name~=%img%"), text(Field::Name, Op::Like, &["%img%"]));
    assert_eq!(conditions("name!~=a_"), text(Field::Name, Op::NotLike, &["a_"]));
    assert_eq!(conditions("jobResult is null"), text(Field::JobResult, Op::IsNull, &[]));
    assert_eq!(conditions("jobResult not null"), text(Field::JobResult, Op::NotNull, &[]));
}

#[test]
fn the_first_operator_of_the_list_wins_wherever_it_is() {
    assert_eq!(
        raw(&[("q", "jobData=a>=b")]).map(|r| r.conditions[0].name.clone()),
        Ok("jobData=a".to_owned())
    );
    assert_eq!(conditions("name = x"), text(Field::Name, Op::Eq, &[" x"]));
    assert_eq!(conditions("name==x"), text(Field::Name, Op::Eq, &["x"]));
    assert_eq!(conditions("description="), text(Field::Description, Op::Eq, &[""]));
    assert_eq!(conditions("name=a=b"), text(Field::Name, Op::Eq, &["a=b"]));
}

#[test]
fn what_does_not_split_has_its_text() {
    let told = |q: &str| raw(&[("q", q)]).err().map(|m| m.text(Profile::Zstack)).unwrap_or_default();
    assert_eq!(
        told("state"),
        "Invalid query parameter. The 'state' in the parameter[q] doesn't contain any query operator. Valid query operators are [[!=, >=, <=, !?=, !~=, ~=, ?=, =, >, <, is null, not null]]"
    );
    assert_eq!(
        told("=x"),
        "Invalid query parameter. The '=x' in parameter[q] is not a key-value pair split by ="
    );
    assert_eq!(
        told("~=x"),
        "Invalid query parameter. The '~=x' in parameter[q] is not a key-value pair split by like"
    );
    assert_eq!(raw(&[("limit", "x")]), Err(Misuse::BadLimit));
    assert_eq!(raw(&[("limit", "")]), Err(Misuse::BadLimit));
    assert_eq!(raw(&[("start", "1.5")]), Err(Misuse::BadStart));
}

#[test]
fn unknown_fields_have_zstacks_text_there_and_the_list_of_fields_here() {
    let class = "org.zstack.header.longjob.LongJobInventory";
    for (pairs, exact) in [
        (("q", "foo=1"), format!("inventory class[class {class}] not having field[foo]")),
        (
            ("q", "jobResult is not null"),
            format!("inventory class[class {class}] not having field[jobResult is]"),
        ),
        (
            ("q", "account.name=x"),
            format!(
                "invalid nested query condition[account.name] on class {class},the expanded target[class {class}] have no expanded query[account]"
            ),
        ),
        (("fields", "uuid,foo"), "inventory[${selfInventoryClass}] has no field[foo]".to_owned()),
    ] {
        let zstack = ask(Resource::Job, Profile::Zstack, &[pairs]);
        assert_eq!(zstack, Err(Fault::new(Code::Internal, exact)));
        let fast = jobs(&[pairs]);
        assert!(
            matches!(&fast, Err(f) if f.code == Code::InvalidArgument && f.details.contains("the fields are uuid, name,")),
            "{fast:?}"
        );
    }
    assert!(jobs(&[("sort", "foo")]).is_err() && jobs(&[("sort", "__systemTag__")]).is_err());
}

#[test]
fn conditions_are_anded_and_equal_ones_collapse() {
    let all = jobs(&[("q", "state=Running"), ("q", "name~=a%"), ("q", "state=Running")]);
    assert_eq!(all.map(|r| r.query.filter.conditions.len()), Ok(2));
    let many: Vec<_> = (0..65).map(|_| ("q", "state=Running")).collect();
    assert!(jobs(&many).is_err());
    let list = format!("state?={}", "x,".repeat(1000));
    assert!(jobs(&[("q", &list)]).is_err());
}

#[test]
fn pages_counts_orders_and_selections_are_read() {
    let plain = jobs(&[]).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!((plain.query.page.limit, plain.query.page.start), (LIMIT_DEFAULT, 0));
    assert!(
        plain.query.want_rows
            && !plain.query.want_total
            && plain.query.sort.is_none()
            && plain.fields.is_none()
    );
    let count = jobs(&[("count", "True"), ("limit", "5")]).unwrap_or_else(|f| panic!("{f}"));
    assert!(!count.query.want_rows && count.query.want_total);
    let both = jobs(&[
        ("replyWithCount", "true"),
        ("start", "10"),
        ("limit", "5"),
        ("groupBy", "x"),
        ("sortBy", "y"),
    ]);
    let both = both.unwrap_or_else(|f| panic!("{f}"));
    assert!(both.query.want_rows && both.query.want_total);
    assert_eq!((both.query.page.limit, both.query.page.start), (5, 10));
    let up = Sort { field: Field::Name, descending: false };
    for (sort, want) in [
        ("name", up),
        ("+name", up),
        (" name", up),
        ("++name", up),
        ("-name", Sort { descending: true, ..up }),
        ("-createDate", NEWEST_FIRST),
    ] {
        assert_eq!(jobs(&[("sort", sort)]).map(|r| r.query.sort), Ok(Some(want)), "{sort}");
    }
    let fields = jobs(&[("fields", "uuid, name"), ("fields", "state")]).map(|r| r.fields);
    assert_eq!(fields, Ok(Some(vec!["uuid".to_owned(), "name".to_owned()])));
    for bad in
        [("limit", "10001"), ("limit", "-1"), ("start", "-1"), ("filterName", "x"), ("filterName", "a:b")]
    {
        assert!(matches!(jobs(&[bad]), Err(f) if f.code == Code::InvalidArgument), "{bad:?}");
    }
}

#[test]
fn a_moment_means_its_whole_second_in_the_servers_zone() {
    let ms = 1_510_624_800_000; // 2017-11-14 10:00:00 +08:00
    let at = |q: &str| conditions(q);
    for same in [
        "createDate=2017-11-14 10:00:00",
        "createDate=2017-11-14T02:00:00Z",
        "createDate=2017-11-14T10:00:00+08:00",
        "createDate=Nov 14, 2017 10:00:00 AM",
        "createDate?=2017-11-14 10:00:00",
    ] {
        let want = vec![int(Field::CreateDate, Op::Ge, ms), int(Field::CreateDate, Op::Lt, ms + 1000)];
        assert_eq!(at(same), want, "{same}");
    }
    assert_eq!(at("createDate>2017-11-14 10:00:00"), [int(Field::CreateDate, Op::Ge, ms + 1000)]);
    assert_eq!(at("createDate<=2017-11-14 10:00:00"), [int(Field::CreateDate, Op::Lt, ms + 1000)]);
    assert_eq!(at("createDate<2017-11-14 10:00:00"), [int(Field::CreateDate, Op::Lt, ms)]);
    assert_eq!(at("createDate>=2017-11-14"), [int(Field::CreateDate, Op::Ge, ms - 36_000_000)]);
    assert_eq!(at("createDate>2017-11-14 10:00:00.250"), [int(Field::CreateDate, Op::Ge, ms + 251)]);
    assert!(jobs(&[("q", "createDate>yesterday")]).is_err());
    assert_eq!(at("createDate~=2017%"), text(Field::CreateDate, Op::Like, &["2017%"]));
}

#[test]
fn numbers_compare_as_numbers_and_words_are_refused() {
    let field = Field::ExecuteTime;
    assert_eq!(conditions("executeTime>10"), [int(field, Op::Gt, 10)]);
    assert_eq!(conditions("executeTime= 10 "), [int(field, Op::Eq, 10)]);
    assert_eq!(conditions("executeTime>=1.5"), [int(field, Op::Gt, 1)]);
    assert_eq!(conditions("executeTime>1.5"), [int(field, Op::Gt, 1)]);
    assert_eq!(conditions("executeTime<1.5"), [int(field, Op::Le, 1)]);
    assert_eq!(conditions("executeTime<=-1.5"), [int(field, Op::Le, -2)]);
    assert_eq!(conditions("executeTime=1.5"), text(Field::Uuid, Op::IsNull, &[]), "matches no row");
    assert_eq!(conditions("executeTime!=1.5"), text(field, Op::NotNull, &[]));
    for bad in ["executeTime=ten", "executeTime=", "executeTime=NaN", "executeTime=1,2"] {
        assert!(jobs(&[("q", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn flags_and_tags_are_read() {
    let volume =
        |q: &str| ask(Resource::Volume, Profile::Zstack, &[("q", q)]).map(|r| r.query.filter.conditions);
    assert_eq!(volume("isShareable=True"), Ok(vec![int(Field::IsShareable, Op::Eq, 1)]));
    assert_eq!(volume("isShareable='false'"), Ok(vec![int(Field::IsShareable, Op::Eq, 0)]));
    assert!(volume("isShareable=yes").is_err());
    let tag = "uploadImage::68b329da9893e34099c7d8ad5cb9c940";
    assert_eq!(conditions(&format!("__systemTag__={tag}")), text(Field::SystemTag, Op::Eq, &[tag]));
    assert_eq!(conditions("__userTag__!~=a%"), text(Field::UserTag, Op::NotLike, &["a%"]));
    assert!(jobs(&[("q", "__systemTag__>a")]).is_err() && jobs(&[("q", "__systemTag__ is null")]).is_err());
    assert!(jobs(&[("q", "name=a\0")]).is_err());
}

#[test]
fn the_zone_is_asked_with_the_same_grammar() {
    let format = TimeFormat::new(Profile::Fast, zone());
    let ask = |pairs: &[(&str, &str)]| {
        let raw = raw(pairs).unwrap_or_default();
        zones(&raw, ZoneInventory::of(0, &format), Profile::Fast).map(|a| (a.rows.map(|r| r.len()), a.total))
    };
    assert_eq!(ask(&[]), Ok((Some(1), None)));
    assert_eq!(
        ask(&[("q", "state=Enabled"), ("q", "isDefault=true"), ("replyWithCount", "true")]),
        Ok((Some(1), Some(1)))
    );
    assert_eq!(ask(&[("q", "name=other"), ("count", "true")]), Ok((None, Some(0))));
    assert_eq!(ask(&[("start", "1"), ("replyWithCount", "true")]), Ok((Some(0), Some(1))));
    assert!(ask(&[("q", "foo=1")]).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(q in "\\PC{0,40}", field in "uuid|name|createDate|executeTime|__systemTag__|isShareable",
        op in "!=|>=|<=|!\\?=|!~=|~=|\\?=|=|>|<| is null| not null", value in "\\PC{0,40}", sort in "\\PC{0,10}") {
        let condition = format!("{field}{op}{value}");
        for resource in Resource::ALL {
            for profile in Profile::ALL {
                let _ = ask(resource, profile, &[("q", &q), ("sort", &sort), ("fields", &value)]);
                let _ = ask(resource, profile, &[("q", &condition), ("limit", &value), ("filterName", &q)]);
            }
        }
    }

    #[test]
    fn numbers_and_moments_of_any_size_make_it_panic_never(n in any::<i64>(), f in any::<f64>(), y in -12000i32..12000) {
        for value in [n.to_string(), f.to_string(), format!("{y}-12-31 23:59:60"), format!("{y:04}-01-01T00:00:00Z")] {
            let _ = jobs(&[("q", &format!("executeTime>={value}"))]);
            let _ = jobs(&[("q", &format!("createDate={value}"))]);
        }
    }
}

#[test]
fn alternatives_on_one_field_become_a_list_and_others_stay_a_term() {
    let one = |name: &str, op, value: &str| {
        RawTerm::One(RawCondition { name: name.to_owned(), op, value: value.to_owned() })
    };
    let resolved = |terms: Vec<RawTerm>| {
        let raw = RawQuery { terms: vec![RawTerm::Any(terms)], ..RawQuery::default() };
        let format = TimeFormat::new(Profile::Fast, zone());
        resolve(&raw, Resource::Job, &format).map(|r| (r.query.filter.conditions, r.query.filter.terms))
    };
    let list = resolved(vec![one("state", Op::Eq, "Failed"), one("state", Op::In, "Running,Waiting")]);
    let want = text(Field::State, Op::In, &["Failed", "Running", "Waiting"]);
    assert_eq!(list, Ok((want, Vec::new())));
    for terms in [
        vec![one("state", Op::Eq, "Failed"), one("name", Op::Eq, "x")],
        vec![one("state", Op::Eq, "Failed"), one("state", Op::Ne, "Running")],
        // A text means its whole second, which no list says.
        vec![one("createDate", Op::Eq, "2017-11-14"), one("createDate", Op::Eq, "2017-11-15")],
    ] {
        let stayed = resolved(terms.clone()).map(|(conditions, terms)| (conditions.len(), terms.len()));
        assert_eq!(stayed, Ok((0, 1)), "{terms:?}");
    }
    assert!(resolved(vec![one("nope", Op::Eq, "x"), one("name", Op::Eq, "x")]).is_err());
}
