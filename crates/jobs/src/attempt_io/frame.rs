//! Frames: a length of four bytes, big endian, and that much JSON. Bounded, for the other side may be
//! broken. What is inside: `protocol`.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No frame is longer, in bytes of JSON.
pub const FRAME_MAX_BYTES: usize = 4 << 20;

/// The frame of `message`.
///
/// # Errors
/// `InvalidData` when it can't be encoded or is too long.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0u8; 4];
    serde_json::to_writer(&mut frame, message).map_err(invalid)?;
    let len = frame.len() - 4;
    if len > FRAME_MAX_BYTES {
        return Err(invalid(format!("a frame of {len} bytes")));
    }
    frame[..4].copy_from_slice(&(len as u32).to_be_bytes());
    Ok(frame)
}

/// Takes the first whole frame off `inbox`; `None` while it is not whole yet.
///
/// # Errors
/// `InvalidData` for a frame that is too long or not a message.
pub fn decode<T: DeserializeOwned>(inbox: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some((head, rest)) = inbox.split_first_chunk::<4>() else { return Ok(None) };
    let len = checked_len(*head)?;
    let Some(body) = rest.get(..len) else { return Ok(None) };
    let message = serde_json::from_slice(body).map_err(invalid)?;
    inbox.drain(..4 + len);
    Ok(Some(message))
}

/// Reads one frame, waiting for it; `None` at the end of the stream.
///
/// # Errors
/// Those of the stream; `InvalidData` as `decode`.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0u8; 4];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let mut body = vec![0u8; checked_len(head)?];
    stream.read_exact(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(invalid)
}

/// Writes one frame, waiting until it is taken.
///
/// # Errors
/// Those of the stream, and of `encode`.
pub fn write<T: Serialize>(stream: &mut impl Write, message: &T) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

fn checked_len(head: [u8; 4]) -> io::Result<usize> {
    let len = u32::from_be_bytes(head) as usize;
    if len > FRAME_MAX_BYTES { Err(invalid(format!("a frame of {len} bytes"))) } else { Ok(len) }
}

fn invalid(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_whatever_the_pieces() {
        let mut sent = encode(&"first").unwrap();
        sent.extend(encode(&"second").unwrap());
        let mut inbox = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for byte in sent {
            inbox.push(byte);
            while let Some(message) = decode(&mut inbox).unwrap() {
                seen.push(message);
            }
        }
        assert_eq!(seen, ["first", "second"]);
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
        assert!(decode::<String>(&mut vec![255, 255, 255, 255]).is_err());
        assert!(read::<String>(&mut &[255u8, 255, 255, 255][..]).is_err());
        assert!(encode(&"x".repeat(FRAME_MAX_BYTES)).is_err());
    }
}
