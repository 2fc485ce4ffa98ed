//! One connection outside of the pools and their limits of time, for work on a store as a whole.

use tokio_postgres::Client;

use super::address;
use super::io::Io;
use super::knock::refused;
use super::open::OpenError;
use super::tls::Tls;

/// A connection on threads of its own; dropped, it ends, and what was not committed is rolled back.
pub(super) struct Alone {
    pub client: Client,
    // Last: the connection lives on these threads.
    _io: Io,
}

impl Alone {
    /// Connects to `url`, which must not be a pooler's: the work is one long transaction.
    pub(super) async fn connect(url: &str) -> Result<Self, OpenError> {
        let address = address::parse(url)?;
        if address.pooled {
            let why = "this is not done through a pooler; give the address of the database itself".to_owned();
            return Err(OpenError::Url { why });
        }
        let tls = Tls::new(&address)?;
        let io = Io::start()?;
        let connecting = async move {
            let (client, connection) = address.config.connect(tls).await?;
            tokio::runtime::Handle::current().spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        };
        let client = match io.run(connecting).await {
            Some(Ok(client)) => client,
            Some(Err(error)) => return Err(refused(&error)),
            None => return Err(OpenError::Unusable { why: "its threads ended".to_owned() }),
        };
        Ok(Self { client, _io: io })
    }
}
