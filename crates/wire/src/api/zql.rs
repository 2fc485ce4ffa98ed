//! The row of ZQL.
//!
//! Source: rest-api.md 1.6, 5.7.

use super::{Answer, Kind, Method, Op, Operation, Param, Type, Wrapper};
use crate::zql::TEXT_MAX;

pub(super) const ROWS: &[Operation] = &[Operation {
    kind: Kind::Sync,
    message_class: "org.zstack.query.APIZQLQueryMsg",
    summary: "Query by ZQL: rows or their number of what can be queried here, several statements at once",
    params: &[Param::query(
        Type::Text,
        "zql",
        "Statements with `;` between them: `query longjob where state = 'Running' order by name asc limit 10`",
    )
    .required()
    .max(TEXT_MAX)],
    answer: Answer::Custom("ZqlAnswer"),
    ..Operation::new(Op::ZqlQuery, "ZQLQuery", Method::Get, "/zql", Wrapper::None)
}];
