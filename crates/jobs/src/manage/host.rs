//! Which host must run a job: that of the directories it works on, where those are of one host alone.

use longhaul_model::{Fault, HostId};

/// The one host among those that own something the job works on; `None` if every node reaches all of it.
///
/// # Errors
/// Two hosts own something of it, so that no node reaches both.
pub fn only_host(of: impl IntoIterator<Item = Option<HostId>>) -> Result<Option<HostId>, Fault> {
    let mut only: Option<HostId> = None;
    for host in of.into_iter().flatten() {
        match only {
            Some(other) if other != host => {
                return Err(Fault::failed(format!(
                    "it works on directories of two hosts[uuid:{other}, uuid:{host}], and no node reaches both; go by \
                     way of a storage that both reach: a shared mount point, an NFS export or a pool"
                )));
            }
            _ => only = Some(host),
        }
    }
    Ok(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_of_the_one_host_that_owns_something_of_it_and_of_no_two() {
        let (one, two) = (HostId::v4(1), HostId::v4(2));
        assert_eq!(only_host([None, Some(one), Some(one)]), Ok(Some(one)));
        assert_eq!(only_host([None, None]), Ok(None));
        let told = only_host([Some(one), None, Some(two)]).unwrap_err().details;
        assert!(told.contains(&one.to_string()) && told.contains(&two.to_string()), "{told}");
    }
}
