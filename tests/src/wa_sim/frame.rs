//! The byte stream under the stanzas: an intro from the client, then frames of
//! a 3-byte big-endian length and that many bytes, in both directions. How the
//! stream is cut into WebSocket messages means nothing.

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest payload that the length field can express.
pub const MAX_FRAME: usize = (1 << 24) - 1;

/// Before a frame is complete, no more than this is kept.
const MAX_BUFFERED: usize = 2 * MAX_FRAME;

/// Why a client's bytes make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The first bytes are not the ones every client sends.
    #[error("stream starts with neither WA nor ED")]
    Intro,
    /// More bytes came than any frame needs.
    #[error("more than {MAX_BUFFERED} bytes without a complete frame")]
    Overflow,
    /// A payload does not fit into a frame.
    #[error("payload of {0} bytes does not fit into a frame")]
    TooLong(usize),
}

/// What a client sends before its first frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Intro {
    /// The routing bytes that the server gave it on an earlier connection.
    pub routing: Option<Vec<u8>>,
    /// `WA`, protocol 6, dictionary 3: also the handshake's prologue.
    pub header: [u8; 4],
}

/// Collects bytes until they make an intro or a frame.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: BytesMut,
}

impl FrameBuffer {
    /// Adds bytes as they arrived.
    ///
    /// # Errors
    /// When far more bytes are waiting than a frame can have.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.bytes.len() + bytes.len() > MAX_BUFFERED {
            return Err(FrameError::Overflow);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the intro once it is complete.
    ///
    /// # Errors
    /// When the stream starts with something else.
    pub fn intro(&mut self) -> Result<Option<Intro>, FrameError> {
        let mut rest: &[u8] = &self.bytes;
        let mut routing = None;
        if starts(rest, b"ED\0\x01")? {
            rest.advance(rest.len().min(4));
            let Some((bytes, after)) = prefixed(rest) else {
                return Ok(None);
            };
            routing = Some(bytes.to_vec());
            rest = after;
        }
        if !starts_wa(rest)? {
            return Ok(None);
        }
        let Some(header) = rest.first_chunk::<4>().copied() else {
            return Ok(None);
        };
        let used = self.bytes.len() - rest.len() + header.len();
        self.bytes.advance(used);
        Ok(Some(Intro { routing, header }))
    }

    /// Takes the next complete frame's payload.
    pub fn frame(&mut self) -> Option<Bytes> {
        let length = prefixed(&self.bytes)?.0.len();
        self.bytes.advance(3);
        Some(self.bytes.split_to(length).freeze())
    }
}

/// Whether `bytes` start with `expected`; false also while too few are there to
/// tell `ED` from `WA`.
fn starts(bytes: &[u8], expected: &[u8; 4]) -> Result<bool, FrameError> {
    match (bytes.first(), bytes.first_chunk::<4>()) {
        (Some(b'E'), Some(chunk)) if chunk == expected => Ok(true),
        (Some(b'E'), Some(_)) => Err(FrameError::Intro),
        _ => Ok(false),
    }
}

fn starts_wa(bytes: &[u8]) -> Result<bool, FrameError> {
    match (bytes.first(), bytes.first_chunk::<4>()) {
        (Some(b'W'), Some([_, b'A', _, _])) => Ok(true),
        (None | Some(b'E' | b'W'), None) => Ok(false),
        _ => Err(FrameError::Intro),
    }
}

/// Splits off as many bytes as the 3-byte length in front of them says.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([a, b, c], rest) = bytes.split_first_chunk::<3>()?;
    let length = u32::from_be_bytes([0, *a, *b, *c]);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// A payload with its length in front.
///
/// # Errors
/// When the payload is longer than [`MAX_FRAME`].
pub fn encode(payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MAX_FRAME);
    let [_, a, b, c] = length
        .ok_or(FrameError::TooLong(payload.len()))?
        .to_be_bytes();
    let mut frame = Vec::with_capacity(3 + payload.len());
    frame.extend_from_slice(&[a, b, c]);
    frame.extend_from_slice(payload);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in proptest::collection::vec(1_usize..50, 1..40),
            routing in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        ) {
            let mut stream = Vec::new();
            if let Some(routing) = &routing {
                stream.extend_from_slice(b"ED\0\x01");
                stream.extend(encode(routing)?);
            }
            stream.extend_from_slice(b"WA\x06\x03");
            for payload in &payloads {
                stream.extend(encode(payload)?);
            }
            let mut buffer = FrameBuffer::default();
            let (mut intro, mut frames) = (None, Vec::new());
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                rest = later;
                buffer.push(now)?;
                if intro.is_none() {
                    intro = buffer.intro()?;
                }
                while intro.is_some() && let Some(frame) = buffer.frame() {
                    frames.push(frame.to_vec());
                }
            }
            prop_assert_eq!(intro, Some(Intro { routing, header: *b"WA\x06\x03" }));
            prop_assert_eq!(frames, payloads);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = FrameBuffer::default();
            buffer.push(&bytes)?;
            let _ = buffer.intro();
            while buffer.frame().is_some() {}
        }
    }

    #[test]
    fn a_stream_that_is_not_whatsapp_is_refused() {
        let mut buffer = FrameBuffer::default();
        assert_eq!(buffer.push(b"GET / HTTP/1.1"), Ok(()));
        assert_eq!(buffer.intro(), Err(FrameError::Intro));
    }

    #[test]
    fn a_payload_over_the_length_field_is_refused() {
        assert_eq!(
            encode(&vec![0; MAX_FRAME + 1]),
            Err(FrameError::TooLong(MAX_FRAME + 1))
        );
        assert_eq!(encode(b"abc").unwrap(), [0, 0, 3, b'a', b'b', b'c']);
    }
}
