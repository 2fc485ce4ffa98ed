//! Ceph pools as primary storages: what ZStack's call says of monitors and pools, and where this server looks
//! for configuration and keys.

use std::path::Path;
use std::sync::Arc;

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
    let monitors = monitors(&params.list("monUrls"))?;
    let conf = absolute(params.owned("conf"), "conf")?;
    if monitors.is_empty() && conf.is_none() {
        return Err(Fault::invalid(
            "field[monUrls] is mandatory, can not be null; name monitors, or with field[conf] a ceph.conf that does",
        ));
    }
    for field in ["dataVolumePoolName", "rootVolumePoolName", "imageCachePoolName"] {
        if params.text(field).is_some_and(str::is_empty) {
            return Err(Fault::invalid(format!("{field} can be null but cannot be an empty string")));
        }
    }
    let pool = params.text("dataVolumePoolName").or_else(|| params.text("rootVolumePoolName"));
    let Some(pool) = pool else {
        return Err(Fault::invalid(
            "this server makes no pools: name one that exists with field[dataVolumePoolName]",
        ));
    };
    let new = NewPool {
        id: params.id("resourceUuid"),
        name: required(called, "name")?.to_owned(),
        description: params.owned("description"),
        pool: CephPool {
            monitors,
            conf,
            user: params.text("user").filter(|u| !u.is_empty()).unwrap_or(USER).to_owned(),
            keyring: absolute(params.owned("keyring"), "keyring")?,
            pool: pool.to_owned(),
            fsid: String::new(),
        },
    };
    let storage = storages::add_pool(&app.desk(), new).await?;
    tags::put_on(app, called, Tagged::Storage(storage.id)).await?;
    Ok(Answer::Storage(Box::new(storage)))
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
