//! A body on its way into a slice: read here, written by a thread of its own, with a few chunks between them.
//! A sender that is slower than the disk is waited for, one that sends nothing is not.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::Response;
use futures::StreamExt;
use longhaul_jobs::upload::{Slice, UploadError};
use tokio::sync::mpsc;

use super::multipart::Form;

/// A body that brings nothing for so long is over.
pub const IDLE_WITHIN: Duration = Duration::from_secs(30);
/// Chunks that wait for the thread that writes. One is what a read of the socket brings: at most some 400 KiB.
const CHUNKS_WAITING: usize = 2;
/// Of a refused body so much is still read, so that the sender gets to read the refusal.
const DRAIN_MAX_BYTES: usize = 8 << 20;
/// And for so long.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Why a body did not become a slice.
#[derive(Debug)]
pub enum Broken {
    /// The slice was refused.
    Upload(UploadError),
    /// It is no form, or has no file.
    Form(&'static str),
    /// Nothing came for so long.
    Idle(Duration),
    /// The connection broke off.
    Off,
    /// Somebody asked for the offset, which is to stay true.
    Asked,
}

impl From<UploadError> for Broken {
    fn from(error: UploadError) -> Self {
        Self::Upload(error)
    }
}

enum Sent {
    Chunk(Bytes),
    End,
}

/// Brings a body into a slice, which it ends. With a `form`, its file; else all of it. What came of a body that
/// breaks off is kept as the slice's rules say.
pub async fn receive(body: Body, slice: Slice, form: Option<Form>, idle: Duration) -> Result<(), Broken> {
    let mut chunks = body.into_data_stream();
    let mut asked = Box::pin(slice.asked_to_end());
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let writing = tokio::task::spawn_blocking(move || write(slice, form, receiver));
    let mut broken = None;
    let mut rest = false;
    loop {
        let next = tokio::select! {
            biased;
            () = &mut asked => {
                (broken, rest) = (Some(Broken::Asked), true);
                break;
            }
            next = tokio::time::timeout(idle, chunks.next()) => next,
        };
        let sent = match next {
            Ok(Some(Ok(chunk))) => sender.send(Sent::Chunk(chunk)).await.is_ok(),
            Ok(None) => {
                let _ = sender.send(Sent::End).await; // a writer that ended has a reason of its own
                break;
            }
            Ok(Some(Err(_))) => {
                broken = Some(Broken::Off);
                break;
            }
            Err(_) => {
                broken = Some(Broken::Idle(idle));
                break;
            }
        };
        if !sent {
            rest = true;
            break;
        }
    }
    drop((sender, asked));
    let written = writing.await.unwrap_or(Err(Broken::Off));
    if rest {
        drain(&mut chunks).await;
    }
    match (written, broken) {
        // The writer only saw that nothing comes any more.
        (Err(Broken::Off), Some(why)) => Err(why),
        (written, _) => written,
    }
}

/// Answers a request whose body is not wanted, once some of it was read.
pub async fn after(body: Body, response: Response) -> Response {
    drain(&mut body.into_data_stream()).await;
    response
}

/// Reads on for a while without looking at what comes.
async fn drain(chunks: &mut BodyDataStream) {
    let mut left = DRAIN_MAX_BYTES;
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_WITHIN, reading).await; // whoever sends on has to do with a reset
}

fn write(mut slice: Slice, mut form: Option<Form>, mut receiver: mpsc::Receiver<Sent>) -> Result<(), Broken> {
    while let Some(sent) = receiver.blocking_recv() {
        match (sent, &mut form) {
            (Sent::Chunk(chunk), Some(form)) => form.feed(&chunk, &mut |data| Ok(slice.write(data)?))?,
            (Sent::Chunk(chunk), None) => slice.write(&chunk)?,
            (Sent::End, form) => {
                if let Some(Err(why)) = form.as_ref().map(Form::end) {
                    slice.break_off()?;
                    return Err(Broken::Form(why));
                }
                return Ok(slice.finish()?);
            }
        }
    }
    slice.break_off()?;
    Err(Broken::Off)
}
