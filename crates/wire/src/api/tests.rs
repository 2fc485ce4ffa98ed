//! What must hold for every row of the table.

use std::collections::HashSet;

use super::*;

#[test]
fn every_operation_has_exactly_one_row() {
    let ops: HashSet<Op> = operations().map(|o| o.op).collect();
    assert_eq!(ops.len(), Op::COUNT);
    assert_eq!(operations().count(), Op::COUNT);
}

#[test]
fn names_are_unique_and_action_keys_follow_the_name() {
    let names: HashSet<_> = operations().map(|o| o.name).collect();
    assert_eq!(names.len(), Op::COUNT);
    for row in operations() {
        if let Wrapper::Action(key) = row.wrapper {
            assert_eq!(row.name.to_lowercase(), key.to_lowercase());
            assert!(key.starts_with(|c: char| c.is_ascii_lowercase()));
        }
    }
}

#[test]
fn every_path_variable_is_a_parameter_and_the_reverse() {
    for row in operations() {
        let vars: Vec<&str> =
            row.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
        let declared: Vec<&str> =
            row.params.iter().filter(|p| p.location == Location::Url).map(|p| p.name).collect();
        assert_eq!(vars, declared, "{}", row.name);
    }
}

#[test]
fn parameters_are_where_the_method_can_carry_them() {
    for row in operations() {
        for p in row.params {
            let body = matches!(row.wrapper, Wrapper::Params | Wrapper::Action(_));
            assert!(p.location == Location::Url || (p.location == Location::Body) == body, "{}", row.name);
            assert!(!p.description.is_empty());
        }
        assert!(!row.summary.is_empty() && !row.message_class.is_empty(), "{}", row.name);
    }
}

#[test]
fn the_public_reference_gives_submit_and_delete_2_3_and_update_3_9_0() {
    let since = |op: Op| op.row().map(|r| r.since);
    assert_eq!(since(Op::SubmitLongJob), Some("2.3"));
    assert_eq!(since(Op::DeleteLongJob), Some("2.3"));
    assert_eq!(since(Op::UpdateLongJob), Some("3.9.0"));
}
