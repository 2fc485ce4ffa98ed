//! Resident memory of a server that has done one job and then nothing for a minute. What it needs after
//! queries over a million jobs is measured with them.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::api::{Api, no_op};
use crate::report::Report;
use crate::server::{Place, Server};

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(60);

/// Once per run: it does not depend on the machine's load.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let data = place.fresh("memory");
    let server = Server::start(place, &data, &[])?;
    let mut admin = Api::admin(server.address).await?;
    admin.call("POST", "/v1/longjobs", &no_op("one", 1, None)).await?;
    tokio::time::sleep(IDLE).await;
    report.add("memory.idle", server.resident_mib()?);
    admin.connect_again(server.address).await?; // idle connections are closed
    ensure!(admin.count("q=state=Succeeded").await? == 1, "the job did not succeed");
    server.stop()?;
    std::fs::remove_dir_all(data)?;
    Ok(())
}
