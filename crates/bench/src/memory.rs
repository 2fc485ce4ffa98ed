//! Resident memory of a server that has done one job and then nothing for a minute. What it needs after
//! queries over a million jobs is measured with them.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::api::{Api, no_op};
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;

/// For how many seconds nothing happens.
const IDLE_S: u64 = 60;

/// Once per run: it does not depend on the machine's load.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let home = place.home("memory").await?;
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    admin.call("POST", "/v1/longjobs", &no_op("one", 1, None)).await?;
    tokio::time::sleep(Duration::from_secs(place.scaled(IDLE_S))).await;
    report.add("memory.idle", server.resident_mib()?);
    admin.connect_again(server.address).await?; // idle connections are closed
    ensure!(admin.count("q=state=Succeeded").await? == 1, "the job did not succeed");
    server.stop()?;
    home.remove().await?;
    Ok(())
}
