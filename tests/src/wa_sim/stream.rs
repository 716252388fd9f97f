//! Stanzas to and from one client, once the handshake has made the keys.

use std::io::Write as _;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::ZlibEncoder};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use loong_proto::wire::HandshakeMessage;
use prost::Message as _;
use whatsapp_rust::wacore_binary::node::OwnedNodeRef;
use whatsapp_rust::wacore_binary::util::unpack_bytes;
use whatsapp_rust::wacore_binary::{BinaryError, Node, marshal};

use super::frame::{FrameBuffer, FrameError, Intro, encode};
use super::hub::session::{Role, Step};
use super::hub::state::State;
use super::hub::{Hub, wait};
use super::node::{attr_or_empty, child};
use super::noise::{Cipher, NoiseError, Transport};

/// A client has that long for each step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Logged-in clients speak every 30 s; one that shows QR codes is silent for as
/// long as it has any, almost three minutes.
const SILENCE: Duration = Duration::from_secs(300);
/// A client that reads nothing for that long is cut off.
const WRITE: Duration = Duration::from_secs(60);
/// Payloads shorter than this are not worth compressing.
const COMPRESS_FROM: usize = 16;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnError {
    #[error("connection closed")]
    Closed,
    #[error("client was silent for too long")]
    Silent,
    #[error("websocket failed: {0}")]
    Socket(#[from] axum::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("keys do not fit: {0}")]
    Noise(#[from] NoiseError),
    #[error("cannot decode a handshake message: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("handshake message out of order")]
    Order,
    #[error("cannot decode a stanza: {0}")]
    Stanza(#[from] BinaryError),
    #[error("cannot compress a stanza: {0}")]
    Compress(#[from] std::io::Error),
    #[error("registration data is incomplete or badly signed")]
    Registration,
    #[error("cut by a fault")]
    Cut,
}

/// What a client sends.
pub(crate) struct Input {
    stream: SplitStream<WebSocket>,
    buffer: FrameBuffer,
}

impl Input {
    pub(crate) fn new(stream: SplitStream<WebSocket>) -> Self {
        Self {
            stream,
            buffer: FrameBuffer::default(),
        }
    }

    async fn more(&mut self, within: Duration) -> Result<(), ConnError> {
        let message = tokio::time::timeout(within, self.stream.next());
        match message.await.map_err(|_elapsed| ConnError::Silent)? {
            Some(Ok(Message::Binary(bytes))) => Ok(self.buffer.push(&bytes)?),
            Some(Ok(Message::Close(_))) | None => Err(ConnError::Closed),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// The next frame. Dropping the future loses nothing.
    async fn frame(&mut self, within: Duration) -> Result<Bytes, ConnError> {
        loop {
            if let Some(frame) = self.buffer.frame() {
                return Ok(frame);
            }
            self.more(within).await?;
        }
    }

    pub(crate) async fn intro(&mut self) -> Result<Intro, ConnError> {
        loop {
            if let Some(intro) = self.buffer.intro()? {
                return Ok(intro);
            }
            self.more(HANDSHAKE).await?;
        }
    }

    pub(crate) async fn handshake(&mut self) -> Result<HandshakeMessage, ConnError> {
        Ok(HandshakeMessage::decode(self.frame(HANDSHAKE).await?)?)
    }
}

/// What a client receives.
pub(crate) struct Output {
    sink: SplitSink<WebSocket, Message>,
    compress: bool,
}

impl Output {
    pub(crate) fn new(sink: SplitSink<WebSocket, Message>, compress: bool) -> Self {
        Self { sink, compress }
    }

    pub(crate) async fn write_frame(&mut self, payload: &[u8]) -> Result<(), ConnError> {
        let frame = encode(payload)?;
        let sent = tokio::time::timeout(WRITE, self.sink.send(Message::Binary(frame.into())));
        Ok(sent.await.map_err(|_elapsed| ConnError::Silent)??)
    }

    pub(crate) async fn write(
        &mut self,
        cipher: &mut Cipher,
        node: &Node,
    ) -> Result<(), ConnError> {
        let plain = pack(marshal(node)?, self.compress)?;
        self.write_frame(&cipher.seal(&plain)?).await
    }

    pub(crate) async fn close(&mut self) {
        // The connection is over whether the client hears of it or not.
        let _ = tokio::time::timeout(HANDSHAKE, self.sink.close()).await;
    }
}

/// Sets the flag byte in front of an encoded stanza, and compresses the rest if
/// that is asked for.
fn pack(encoded: Vec<u8>, compress: bool) -> Result<Vec<u8>, std::io::Error> {
    let plain = encoded.get(1..).unwrap_or_default();
    if !compress || plain.len() < COMPRESS_FROM {
        return Ok(encoded);
    }
    let mut encoder = ZlibEncoder::new(vec![2], Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Passes stanzas both ways until one side ends the connection.
pub(crate) async fn pass_on(
    hub: &Hub,
    session: u64,
    input: Input,
    mut output: Output,
    transport: Transport,
) {
    let result = tokio::select! {
        result = read(hub, session, input, transport.receive) => result,
        result = write(hub, session, &mut output, transport.send) => result,
    };
    match result {
        Ok(()) => output.close().await,
        Err(error) => tracing::debug!(session, %error, "connection ended"),
    }
    hub.state().end_session(session);
}

async fn write(
    hub: &Hub,
    session: u64,
    output: &mut Output,
    mut cipher: Cipher,
) -> Result<(), ConnError> {
    let Some(wake) = hub
        .state()
        .sessions
        .get(&session)
        .map(|session| session.wake.clone())
    else {
        return Err(ConnError::Closed);
    };
    loop {
        let step = hub.state().next_step(session);
        match step {
            Step::Write(node) => output.write(&mut cipher, &node).await?,
            Step::Wait(until) => wait(&wake, until).await,
            Step::Close => return Ok(()),
            Step::Cut => return Err(ConnError::Cut),
        }
    }
}

async fn read(
    hub: &Hub,
    session: u64,
    mut input: Input,
    mut cipher: Cipher,
) -> Result<(), ConnError> {
    let Some(hole) = hub
        .state()
        .sessions
        .get(&session)
        .map(|session| session.hole.clone())
    else {
        return Err(ConnError::Closed);
    };
    loop {
        let holed = hub.state().black_holed(session);
        if let Some(until) = holed {
            wait(&hole, until).await;
            continue;
        }
        let frame = tokio::select! {
            frame = input.frame(SILENCE) => frame?,
            () = hole.notified() => continue,
        };
        let plain = BytesMut::from(cipher.open(&frame)?.as_slice());
        let node = OwnedNodeRef::new(unpack_bytes(plain)?)?.to_owned_node();
        let mut state = hub.state();
        if !state.frame_in(session, &node.tag) {
            return Err(ConnError::Cut);
        }
        state.on_frame(session, &node);
    }
}

impl State {
    /// Takes a stanza from a connection.
    fn on_frame(&mut self, id: u64, node: &Node) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if node.tag == "xmlstreamend" || node.tag == "stream:error" {
            return session.close();
        }
        let request =
            node.tag == "iq" && matches!(attr_or_empty(node, "type").as_str(), "get" | "set");
        match &session.role {
            Role::Device(device) => {
                let device = device.clone();
                match node.tag == "iq" {
                    true if request => self.serve_request(id, &device, node),
                    true => {}
                    false => self.on_stanza(&device, node),
                }
            }
            Role::Registering(_) if request => {
                let answer = match child(node, "link_code_companion_reg") {
                    Some(step) => self.on_link_code(id, node, step),
                    None => self.settings(&attr_or_empty(node, "xmlns"), node, false),
                };
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.write(answer);
                }
            }
            Role::Registering(_) if node.tag == "iq" => self.on_answer(id, node),
            Role::Registering(_) => {}
        }
    }

    fn serve_request(&mut self, id: u64, device: &super::address::DeviceJid, iq: &Node) {
        let answer = self.on_request(device, iq);
        let slow = self.faults.slow_iqs(device);
        let delay = slow.max(self.faults.delay(device));
        if let Some(session) = self.sessions.get_mut(&id) {
            match delay {
                Some(delay) => session.write_after(answer, delay),
                None => session.write(answer),
            }
        }
        if attr_or_empty(iq, "xmlns") == "passive" && child(iq, "active").is_some() {
            self.start_drain(device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::node::{el, empty};

    #[test]
    fn compressed_frames_unpack_to_the_same_stanza() {
        let node = el("message").attr("id", "A".repeat(200)).build();
        let encoded = marshal(&node).unwrap();
        for compress in [false, true] {
            let packed = pack(encoded.clone(), compress).unwrap();
            assert_eq!(packed.first(), Some(&if compress { 2 } else { 0 }));
            let plain = unpack_bytes(BytesMut::from(packed.as_slice())).unwrap();
            assert_eq!(OwnedNodeRef::new(plain).unwrap().to_owned_node(), node);
        }
        assert_eq!(
            pack(marshal(&empty("x")).unwrap(), true).unwrap().first(),
            Some(&0)
        );
    }
}
