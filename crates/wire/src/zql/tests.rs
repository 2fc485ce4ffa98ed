//! The language, clause by clause, and what is refused of it.

use longhaul_model::Code;
use proptest::prelude::*;

use super::*;
use crate::query::{RawCondition, RawTerm};

fn one(text: &str) -> Statement {
    let statements = parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    assert_eq!(statements.len(), 1, "{text}");
    statements.into_iter().next().expect("one")
}

/// What follows `where`, written with signs: `&` and `|` with parentheses.
fn conditions(text: &str) -> String {
    let query = one(&format!("query longjob where {text}")).query;
    let plain = query.conditions.into_iter().map(RawTerm::One);
    let all: Vec<String> = plain.chain(query.terms).map(|term| shown(&term)).collect();
    all.join(" & ")
}

fn shown(term: &RawTerm) -> String {
    let several = |terms: &[RawTerm], sign: &str| {
        format!("({})", terms.iter().map(shown).collect::<Vec<_>>().join(sign))
    };
    match term {
        RawTerm::One(RawCondition { name, op, value }) => format!("{name} {op:?} {value}"),
        RawTerm::All(terms) => several(terms, " & "),
        RawTerm::Any(terms) => several(terms, " | "),
    }
}

fn refused(text: &str) -> Refusal {
    parse(text).expect_err(text)
}

#[test]
fn every_entity_that_can_be_queried_has_its_name() {
    for (entity, name) in [
        ("longjob", "QueryLongJob"),
        ("account", "QueryAccount"),
        ("managementnode", "QueryManagementNode"),
        ("primarystorage", "QueryPrimaryStorage"),
        ("volume", "QueryVolume"),
        ("zone", "QueryZone"),
    ] {
        assert_eq!(one(&format!("query {entity}")).operation.name, name);
        assert!(one(&format!("count {entity}")).query.count);
    }
}

#[test]
fn every_clause_is_read_in_its_order() {
    let all = one("query longjob.uuid,name where state = 'Running' return with (total) order by name desc \
         limit 10 offset 20 named as 'mine'");
    let RawQuery { limit, start, reply_with_count, sort, fields, count, .. } = all.query;
    assert_eq!((limit, start, reply_with_count, count), (Some(10), Some(20), true, false));
    assert_eq!((sort.as_deref(), fields.as_deref()), (Some("-name"), Some("uuid,name")));
    assert_eq!(all.name.as_deref(), Some("mine"));
    let plain = one("  query\n\tlongjob ");
    assert_eq!((plain.query, plain.name), (RawQuery::default(), None));
    assert_eq!(one("count longjob order by uuid asc").query.sort.as_deref(), Some("+uuid"));
    assert_eq!(one("query longjob.name named as \"n\"").query.fields.as_deref(), Some("name"));
    for disordered in [
        "query longjob limit 1 where name = 'a'",
        "query longjob offset 1 limit 1",
        "query longjob order by name",
        "query longjob limit x",
        "query longjob limit 1.5",
        "count longjob return with (total)",
        "query longjob named as x",
        "query longjob where",
        "query longjob where name",
        "query longjob where name = ",
        "query longjob where (name = 'a'",
        "query longjob where name = 'a' and",
        "query longjob where name = Running",
        "query longjob where name = (1, 2)",
        "query longjob where name = 'a' name = 'b'",
        "Query longjob",
        "query",
        "",
        ";",
        "query longjob;",
        "query longjob where name = 'a",
        "query longjob ~",
    ] {
        assert!(matches!(refused(disordered), Refusal::Syntax { .. }), "{disordered}");
    }
}

#[test]
fn every_operator_and_kind_of_value_is_read() {
    for (text, want) in [
        ("a = 'x'", "a Eq x"),
        ("a!='x'", "a Ne x"),
        ("a > 1", "a Gt 1"),
        ("a >= -1", "a Ge -1"),
        ("a<1.5", "a Lt 1.5"),
        ("a <= \"it's\"", "a Le it's"),
        ("a = 'it''s'", "a Eq it's"),
        ("a = true", "a Eq true"),
        ("a is null", "a IsNull "),
        ("a is  not null", "a NotNull "),
        ("a in ('x', 'y')", "a In x,y"),
        ("a in 'x'", "a In x"),
        ("a not in ('x', 2)", "a NotIn x,2"),
        ("a like '%x_'", "a Like %x_"),
        ("a not like 'x'", "a NotLike x"),
        ("__systemTag__ has ('x', 'y')", "__systemTag__ Eq x & __systemTag__ Eq y"),
        ("__userTag__ not has ('x', 'y')", "__userTag__ NotIn x,y"),
        ("a.b = 'x'", "a.b Eq x"),
        ("a in ('x,y', 'z')", "(a Eq x,y | a Eq z)"),
        ("a not in ('x,y', 'z')", "a Ne x,y & a Ne z"),
    ] {
        assert_eq!(conditions(text), want, "{text}");
    }
}

#[test]
fn and_and_or_bind_alike_to_the_right_and_parentheses_group() {
    for (text, want) in [
        ("a = 1 and b = 2 and c = 3", "a Eq 1 & b Eq 2 & c Eq 3"),
        ("a = 1 or b = 2 or c = 3", "(a Eq 1 | b Eq 2 | c Eq 3)"),
        ("a = 1 and b = 2 or c = 3", "a Eq 1 & (b Eq 2 | c Eq 3)"),
        ("a = 1 or b = 2 and c = 3", "(a Eq 1 | (b Eq 2 & c Eq 3))"),
        ("(a = 1 or b = 2) and c = 3", "c Eq 3 & (a Eq 1 | b Eq 2)"),
        ("((a = 1))", "a Eq 1"),
        ("(a = 1 and b = 2) or (c = 3 and d = 4)", "((a Eq 1 & b Eq 2) | (c Eq 3 & d Eq 4))"),
    ] {
        assert_eq!(conditions(text), want, "{text}");
    }
}

#[test]
fn several_statements_are_read_in_their_order() {
    let two = parse("query longjob named as 'a'; count volume named as 'b'").unwrap_or_default();
    let names: Vec<_> = two.iter().map(|s| (s.operation.name, s.name.as_deref())).collect();
    assert_eq!(names, [("QueryLongJob", Some("a")), ("QueryVolume", Some("b"))]);
    let many = vec!["count zone"; STATEMENTS_MAX + 1].join(";");
    assert!(matches!(refused(&many), Refusal::Invalid(_)));
}

#[test]
fn what_is_not_here_is_refused_by_name() {
    for text in [
        "sum longjob by executeTime",
        "search 'x' from longjob",
        "query distinct(longjob)",
        "query longjob inner join volume on longjob.uuid = volume.uuid",
        "query longjob restrict by (zone.uuid = 'x')",
        "query longjob where uuid = 'x' restrict by (uuid = 'x')",
        "query longjob return with (zwatch{metricName='x'})",
        "query longjob return with (x)",
        "query longjob group by state",
        "query longjob filter by x{y}",
        "query longjob where uuid in (query volume.uuid)",
        "query longjob where uuid = getapi(api='x', output='y')",
        "query longjob order by name asc, uuid asc",
        "query longjob order by size + 1 asc",
        "query vminstance",
    ] {
        let refusal = refused(text);
        assert!(matches!(&refusal, Refusal::NotHere(_)), "{text}: {refusal:?}");
        for profile in Profile::ALL {
            assert_eq!(refusal.to_fault(profile).code, Code::NotImplemented, "{text}");
        }
    }
    assert!(matches!(refused("query nonsense"), Refusal::Invalid(text) if text.contains("longjob")));
    assert!(matches!(refused("query longjob where name has 'x'"), Refusal::Invalid(_)));
}

#[test]
fn limits_are_told() {
    let nested = |n: usize| format!("query longjob where {}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(50)).is_ok());
    assert!(matches!(refused(&nested(65)), Refusal::Invalid(_)));
    assert!(matches!(refused(&nested(5000)), Refusal::Invalid(_)));
    let chain = |n: usize| format!("query longjob where {}", vec!["a = 1"; n].join(" or "));
    assert!(parse(&chain(64)).is_ok());
    assert!(matches!(refused(&chain(65)), Refusal::Invalid(_)));
    let list = format!("query longjob where a in ({})", vec!["1"; 1001].join(","));
    assert!(matches!(refused(&list), Refusal::Invalid(_)));
    let commas = format!("query longjob where a in ({})", vec!["'1,'"; 65].join(","));
    assert!(matches!(refused(&commas), Refusal::Invalid(_)));
}

#[test]
fn a_syntax_error_says_where_and_is_zstacks_own_failure_there() {
    let refusal = refused("query longjob\nwhere name ~ 'x'");
    let Refusal::Syntax { line, column, snippet, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!((*line, *column, snippet.as_str()), (2, 11, "~ 'x'"));
    let fault = refusal.to_fault(Profile::Zstack);
    assert_eq!(fault.code, Code::Internal);
    assert!(fault.details.starts_with("error ") && fault.details.ends_with(" at line 2:11, ~ 'x'"));
    assert_eq!(refusal.to_fault(Profile::Fast).code, Code::InvalidArgument);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_row_of_words_makes_it_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        "query", "count", "longjob", "volume", "where", "name", "state", "and", "or", "(", ")", "=", "!=", "in", "not",
        "has", "is", "null", "'x'", "\"y\"", "1", "-1.5", ",", ".", ";", "order by", "asc", "limit", "offset",
        "return with", "(total)", "named as", "é", "'", "\n",
    ]), 0..40)) {
        let _ = parse(&words.join(" "));
        let _ = parse(&format!("query longjob where {}", words.join(" ")));
    }
}
