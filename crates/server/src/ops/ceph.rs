//! Ceph pools as primary and as backup storages: what ZStack's calls say of monitors and pools, and where this server
//! looks for configuration and keys.

use std::path::Path;
use std::sync::Arc;

use longhaul_jobs::manage::backup_storages::{self, NewImagePool};
use longhaul_jobs::manage::storages::{self, NewPool};
use longhaul_model::Fault;
use longhaul_model::resource::{CephPool, Tagged};

use super::storages::refuse_other_zone;
use super::{required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

/// The port of a monitor whose url names none.
const MON_PORT: u16 = 6789;
/// Who logs in where nobody is named.
const USER: &str = "admin";

pub async fn add(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    refuse_other_zone(called)?;
    let params = &called.call.params;
    let names = ["dataVolumePoolName", "rootVolumePoolName", "imageCachePoolName"];
    let new = NewPool {
        id: params.id("resourceUuid"),
        name: required(called, "name")?.to_owned(),
        description: params.owned("description"),
        pool: pool(called, &names, &names[..2])?,
    };
    let storage = storages::add_pool(&app.desk(), new).await?;
    tags::put_on(app, called, Tagged::Storage(storage.id)).await?;
    Ok(Answer::Storage(Box::new(storage)))
}

/// A pool as a backup storage.
pub async fn add_backup(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    if params.flag("importImages") && params.text("poolName").is_none() {
        return Err(Fault::invalid("poolName is required when importImages is true"));
    }
    let new = NewImagePool {
        id: params.id("resourceUuid"),
        name: required(called, "name")?.to_owned(),
        description: params.owned("description"),
        pool: pool(called, &["poolName"], &["poolName"])?,
    };
    let place = backup_storages::add_pool(&app.desk(), new).await?;
    tags::put_on(app, called, Tagged::BackupStorage(place.id)).await?;
    Ok(Answer::BackupStorage(Box::new(place)))
}

/// The pool that a call names in the first of the fields `by` that is there; none of `names` may be empty.
fn pool(called: &Called, names: &[&str], by: &[&str]) -> Result<CephPool, Fault> {
    let params = &called.call.params;
    let monitors = monitors(&params.list("monUrls"))?;
    let conf = absolute(params.owned("conf"), "conf")?;
    if monitors.is_empty() && conf.is_none() {
        return Err(Fault::invalid(
            "field[monUrls] is mandatory, can not be null; name monitors, or with field[conf] a ceph.conf that does",
        ));
    }
    if let Some(field) = names.iter().find(|field| params.text(field).is_some_and(str::is_empty)) {
        return Err(Fault::invalid(format!("{field} can be null but cannot be an empty string")));
    }
    let Some(pool) = by.iter().find_map(|field| params.text(field)) else {
        return Err(Fault::invalid(format!(
            "this server makes no pools: name one that exists with field[{}]",
            by.first().unwrap_or(&"poolName")
        )));
    };
    Ok(CephPool {
        monitors,
        conf,
        user: params.text("user").filter(|u| !u.is_empty()).unwrap_or(USER).to_owned(),
        keyring: absolute(params.owned("keyring"), "keyring")?,
        pool: pool.to_owned(),
        fsid: String::new(),
    })
}

fn absolute(path: Option<String>, field: &str) -> Result<Option<String>, Fault> {
    match path.filter(|p| !p.is_empty()) {
        Some(path) if !Path::new(&path).is_absolute() => {
            Err(Fault::invalid(format!("field[{field}] must be an absolute path, not [{path}]")))
        }
        path => Ok(path),
    }
}

/// `host:port` of each url, each host once. What it says of logins is left behind.
fn monitors(urls: &[&str]) -> Result<Vec<String>, Fault> {
    let mut monitors: Vec<String> = Vec::new();
    for url in urls {
        let (host, port) = monitor(url).map_err(|why| {
            // Its beginning may be a password, so the url itself is not told.
            Fault::invalid(format!(
                "invalid monUrl, {why}. A valid monUrl is in format of \
                 sshUsername:sshPassword@hostname:[sshPort]/?[monPort=]"
            ))
        })?;
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        if monitors.contains(&address) {
            return Err(Fault::invalid(format!("Cannot add same host[{host}] in mons")));
        }
        monitors.push(address);
    }
    Ok(monitors)
}

fn monitor(url: &str) -> Result<(String, u16), &'static str> {
    let (_login, rest) = url.rsplit_once('@').ok_or("the sshUsername:sshPassword part is invalid")?;
    let (place, query) = rest.split_once("/?").unwrap_or((rest.trim_end_matches('/'), ""));
    let host = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
        Some((host, _)) => host,
        None => place.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err("hostname cannot be null");
    }
    let port = query.split('&').find_map(|pair| pair.strip_prefix("monPort="));
    let port = match port {
        None | Some("") => MON_PORT,
        Some(port) => port.parse().map_err(|_| "the mon port is greater than 65535 or smaller than 1")?,
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mon_url_is_its_host_and_port_and_tells_no_password() {
        let urls =
            ["root:pass@word@10.0.0.1:22/?monPort=3300", "root:x@mon-b", "root:x@[fe80::1]:22/?monPort="];
        assert_eq!(monitors(&urls).unwrap(), ["10.0.0.1:3300", "mon-b:6789", "[fe80::1]:6789"]);
        for wrong in ["secret", "secret@", "secret@h/?monPort=x", "secret@:22/"] {
            let told = monitors(&[wrong]).unwrap_err().details;
            assert!(told.contains("invalid monUrl") && !told.contains("secret"), "{told}");
        }
        assert!(monitors(&["a:b@h", "c:d@h"]).is_err());
    }
}
