//! Whether the database lets us in, asked on one connection before the pools make theirs; and of one that does not, whether
//! it may a little later. A node that starts together with its database waits for that; what only a person can mend
//! it tells at once.

use std::io;
use std::time::Duration;

use futures::future::join;
use tokio_postgres::{Config, Error, SimpleQueryMessage};

use super::error::told;
use super::io::within;
use super::open::OpenError;
use super::tls::Tls;

/// Classes of SQLSTATE that speak of the moment and not of a setting: 08 the line, 25 it only reads, 40 lost against
/// another, 53 no room or no connection left, 55 not ready, 57 it starts or ends, 58 its system, XX it broke.
const PASSING: [&str; 8] = ["08", "25", "40", "53", "55", "57", "58", "XX"];
/// pgbouncer gives nearly all that it says the state 08P01. Of that, what no waiting mends.
const POOLER_REFUSES: [&str; 5] = [
    "unsupported startup parameter",
    "no such database",
    "no such user",
    "authentication failed",
    "wrong password type",
];

/// How pgbouncer refuses a session that wants limits and plans of its own.
const NO_OPTIONS: &str = "unsupported startup parameter: options";

/// Asks once, on a connection that is closed again, for `limit` at most.
///
/// # Errors
/// `OpenError::Away` where the database may be there later, else `Unusable`.
pub(super) async fn knock(config: &Config, tls: Tls, limit: Duration) -> Result<(), OpenError> {
    match within(limit, is_standby(config, tls)).await {
        Some(Ok(false)) => Ok(()),
        // As a fail-over leaves it for a moment, or a name that points to the wrong server for longer.
        Some(Ok(true)) => Err(away("it is a standby, which only reads".to_owned())),
        Some(Err(error)) => Err(refused(&error)),
        None => Err(away(format!("no answer within {} ms", limit.as_millis()))),
    }
}

/// Why a connection was refused, and whether that may pass.
pub(super) fn refused(error: &Error) -> OpenError {
    let why = match error.as_db_error() {
        Some(said) => format!("{}{}", told(error), cure(said.message())),
        None => told(error),
    };
    if may_pass(error) { OpenError::Away { why } } else { OpenError::Unusable { why } }
}

/// What helps against a refusal that has one cure.
fn cure(message: &str) -> &'static str {
    match message.contains(NO_OPTIONS) {
        true => {
            ": a pooler is between, which takes none; say so in the URL, ?pooler=transaction (behind other parameters \
             &pooler=transaction), and no options are sent"
        }
        false => "",
    }
}

fn away(why: String) -> OpenError {
    OpenError::Away { why }
}

async fn is_standby(config: &Config, tls: Tls) -> Result<bool, Error> {
    let (client, connection) = config.connect(tls).await?;
    let asking = async {
        let found = client.simple_query("SELECT pg_is_in_recovery()").await;
        drop(client); // ends the connection
        found
    };
    let (_, found) = join(connection, asking).await;
    let is_yes =
        |row: &SimpleQueryMessage| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"));
    Ok(found?.iter().any(is_yes))
}

fn may_pass(error: &Error) -> bool {
    match error.as_db_error() {
        Some(said) => is_passing(said.code().code(), said.message()),
        None => error.is_closed() || is_of_the_line(error),
    }
}

fn is_passing(state: &str, message: &str) -> bool {
    if state == "08P01" {
        return !POOLER_REFUSES.iter().any(|refusal| message.contains(refusal));
    }
    PASSING.iter().any(|class| state.starts_with(class))
}

/// Whether it is an error of the system: no such host yet, nobody listens, no route, an end in the middle. One of TLS is
/// not, nor one of bytes that cannot be understood.
fn is_of_the_line(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        let is_of_tls = cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        let is_of_others = matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        !is_of_tls && !is_of_others
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_the_moment_may_pass_and_what_speaks_of_a_setting_does_not() {
        for (state, message, passes) in [
            ("57P03", "the database system is starting up", true),
            ("57P01", "terminating connection due to administrator command", true),
            ("53300", "sorry, too many clients already", true),
            ("08P01", "server login has been failing, try again later (server_login_retry)", true),
            ("08P01", "server login failed: FATAL the database system is starting up", true),
            ("08P01", "unsupported startup parameter: options", false),
            ("08P01", "no such database: jobs", false),
            ("08P01", "server login failed: FATAL password authentication failed for user \"me\"", false),
            ("28P01", "password authentication failed for user \"me\"", false),
            ("28000", "no pg_hba.conf entry for host", false),
            ("3D000", "database \"jobs\" does not exist", false),
            ("42501", "permission denied for database \"jobs\"", false),
            ("42704", "unrecognized configuration parameter \"nonsense\"", false),
        ] {
            assert_eq!(is_passing(state, message), passes, "{state} {message}");
        }
    }
}
