//! One client's WebSocket up to its login: handshake, then who it is.

use std::time::Duration;

use axum::extract::ws::WebSocket;
use futures_util::StreamExt as _;
use loong_proto::wire::{ClientPayload, DeviceProps, HandshakeMessage, ServerHello};
use prost::Message as _;
use x25519_dalek::StaticSecret;

use super::address::DeviceJid;
use super::hub::Hub;
use super::login::{Login, Outcome, failure};
use super::noise::{Answer, Established, Responder};
use super::pairing::{Registering, registered_keys};
use super::stream::{ConnError, Input, Output, pass_on};

/// One client derives its keys only after it has returned to its event loop;
/// what it receives before that breaks it for good.
const AFTER_HANDSHAKE: Duration = Duration::from_millis(50);

/// Serves a client until its connection ends.
pub(crate) async fn serve(hub: Hub, socket: WebSocket, compress: bool) {
    let (sink, stream) = socket.split();
    let mut connection = Connection {
        hub,
        output: Output::new(sink, compress),
        input: Input::new(stream),
    };
    match connection.start().await {
        Ok(Some((session, established))) => {
            let Connection { hub, output, input } = connection;
            pass_on(&hub, session, input, output, established.transport).await;
        }
        Ok(None) => {}
        Err(error) => tracing::info!(%error, "connection ended before login"),
    }
}

struct Connection {
    hub: Hub,
    output: Output,
    input: Input,
}

impl Connection {
    /// Shakes hands and logs in or registers; `None` if the login was refused.
    async fn start(&mut self) -> Result<Option<(u64, Established)>, ConnError> {
        let intro = self.input.intro().await?;
        let mut established = self.shake_hands(&intro.header).await?;
        let payload = ClientPayload::decode(established.payload.as_slice())?;
        tokio::time::sleep(AFTER_HANDSHAKE).await;
        let outcome = match payload.username {
            None => self.register(&payload, established.client_static)?,
            Some(number) => {
                let device = payload
                    .device
                    .and_then(|device| u16::try_from(device).ok())
                    .unwrap_or(0);
                let device = DeviceJid::new(number.to_string(), device);
                self.log_in(device, &payload, established.client_static, intro.routing)?
            }
        };
        match outcome {
            Outcome::Accepted(session) => Ok(Some((session, established))),
            Outcome::Refused(failure) => {
                self.output
                    .write(&mut established.transport.send, &failure)
                    .await?;
                self.output.close().await;
                Ok(None)
            }
        }
    }

    fn log_in(
        &self,
        device: DeviceJid,
        payload: &ClientPayload,
        noise: [u8; 32],
        routing: Option<Vec<u8>>,
    ) -> Result<Outcome, ConnError> {
        let mut state = self.hub.state();
        if state.faults.fail_connect(&device) {
            return Err(ConnError::Closed);
        }
        Ok(state.log_in(Login {
            device,
            noise,
            passive: payload.passive(),
            routing,
        }))
    }

    async fn shake_hands(&mut self, prologue: &[u8]) -> Result<Established, ConnError> {
        let hello = self
            .input
            .handshake()
            .await?
            .client_hello
            .ok_or(ConnError::Order)?;
        let identity = self.hub.identity();
        let responder = Responder {
            identity: identity.secret(),
            certificate: identity.encoded(),
            prologue,
        };
        let ephemeral = StaticSecret::from(self.hub.ephemeral());
        match responder.answer(&hello, ephemeral)? {
            Answer::Resumed(server_hello, established) => {
                self.answer(server_hello).await?;
                Ok(*established)
            }
            Answer::Full(server_hello, pending) => {
                self.answer(server_hello).await?;
                let finish = self
                    .input
                    .handshake()
                    .await?
                    .client_finish
                    .ok_or(ConnError::Order)?;
                Ok(pending.finish(&finish)?)
            }
        }
    }

    async fn answer(&mut self, hello: ServerHello) -> Result<(), ConnError> {
        let message = HandshakeMessage {
            server_hello: Some(hello),
            ..HandshakeMessage::default()
        };
        self.output.write_frame(&message.encode_to_vec()).await
    }

    fn register(&self, payload: &ClientPayload, noise: [u8; 32]) -> Result<Outcome, ConnError> {
        let data = payload
            .device_pairing_data
            .as_ref()
            .ok_or(ConnError::Registration)?;
        let keys = registered_keys(data).ok_or(ConnError::Registration)?;
        let props = DeviceProps::decode(data.device_props()).unwrap_or_default();
        let registering = Registering {
            noise,
            keys,
            push_name: payload.push_name.clone(),
            platform: props.platform_type(),
            os: props.os().to_owned(),
            references: Vec::new(),
            code: None,
            linking: None,
        };
        let mut state = self.hub.state();
        Ok(match state.faults.fail_registration() {
            Some((reason, expire)) => Outcome::Refused(failure(reason, expire)),
            None => Outcome::Accepted(state.start_registration(registering)),
        })
    }
}
