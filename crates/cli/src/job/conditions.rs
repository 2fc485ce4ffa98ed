//! Conditions on jobs, as they are typed. The API finds no job in a state that there is not, and says nothing, as
//! ZStack does; of a command that acts on all that is found, a slip would look like work that is done.

use longhaul_model::JobState;

use crate::error::ClientError;

/// What compares whole names; one that has another in it stands before that.
const OPERATORS: [&str; 4] = ["!?=", "?=", "!=", "="];

/// What is said where a state is not known.
pub fn no_state() -> String {
    format!("states are {}", JobState::ALL.map(JobState::name).join(", "))
}

/// Refuses a condition of `flag` that names a state that there is not.
pub fn check(flag: &str, conditions: &[String]) -> Result<(), ClientError> {
    for condition in conditions {
        let Some(rest) = condition.trim().strip_prefix("state").map(str::trim_start) else { continue };
        let Some(names) = OPERATORS.iter().find_map(|operator| rest.strip_prefix(operator)) else { continue };
        let unknown = |name: &&str| !JobState::ALL.iter().any(|state| state.name() == *name);
        if let Some(name) = names.split(',').map(str::trim).find(unknown) {
            return Err(ClientError::usage(format!(
                "{flag} {condition}: there is no state {name:?}; {}",
                no_state()
            )));
        }
    }
    Ok(())
}
