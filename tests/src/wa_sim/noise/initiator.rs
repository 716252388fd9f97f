//! The client's side of the handshake, for tests of the server's.

use loong_proto::wire::{ClientFinish, ClientHello, ServerHello};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{IK, NoiseError, Symmetric, Transport, XX, XX_FALLBACK, key};

/// What a client brings: its keys and what both sides hash first.
pub struct Initiator {
    /// The client's static key.
    pub identity: StaticSecret,
    /// A key for this handshake only.
    pub ephemeral: StaticSecret,
    /// `WA`, 6, 3.
    pub prologue: Vec<u8>,
}

impl std::fmt::Debug for Initiator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Initiator").finish_non_exhaustive()
    }
}

/// A handshake that waits for the server's hello.
pub struct Started {
    with: Initiator,
    resuming: Option<Symmetric>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// What a client has once the server answered.
#[derive(Debug)]
pub struct Finished {
    /// To be sent first; `None` after a resumption.
    pub finish: Option<ClientFinish>,
    /// The server's certificate chain, not verified.
    pub certificate: Vec<u8>,
    /// The hash over the whole handshake.
    pub transcript: [u8; 32],
    /// The connection's keys.
    pub transport: Transport,
}

impl Initiator {
    /// Starts a full handshake.
    #[must_use]
    pub fn full(self) -> (ClientHello, Started) {
        let ephemeral = PublicKey::from(&self.ephemeral).to_bytes().to_vec();
        let hello = ClientHello {
            ephemeral: Some(ephemeral),
            ..ClientHello::default()
        };
        (
            hello,
            Started {
                with: self,
                resuming: None,
            },
        )
    }

    /// Starts a resumption towards a server key that is already known.
    ///
    /// # Errors
    /// Never in practice: the first messages of a key can always be sealed.
    pub fn resume(
        self,
        server: &[u8; 32],
        payload: &[u8],
    ) -> Result<(ClientHello, Started), NoiseError> {
        let public = PublicKey::from(&self.ephemeral).to_bytes();
        let mut state = Symmetric::new(IK, &self.prologue);
        state.mix_hash(server);
        state.mix_hash(&public);
        state.mix_dh(&self.ephemeral, server);
        let static_key = state.seal(PublicKey::from(&self.identity).as_bytes())?;
        state.mix_dh(&self.identity, server);
        let payload = state.seal(payload)?;
        let hello = ClientHello {
            ephemeral: Some(public.to_vec()),
            static_key: Some(static_key),
            payload: Some(payload),
        };
        Ok((
            hello,
            Started {
                with: self,
                resuming: Some(state),
            },
        ))
    }
}

impl Started {
    /// Takes the server's hello; `payload` is sent with the finish of a full
    /// handshake, also when a resumption fell back to one.
    ///
    /// # Errors
    /// When a part is missing or does not authenticate.
    pub fn finish(self, hello: &ServerHello, payload: &[u8]) -> Result<Finished, NoiseError> {
        let server = key(hello.ephemeral.as_deref(), "server ephemeral")?;
        let sealed = hello
            .payload
            .as_deref()
            .ok_or(NoiseError::Missing("certificate"))?;
        match (self.resuming, hello.static_key.as_deref()) {
            (Some(state), None) => resumed(&self.with, state, &server, sealed),
            (None, Some(key)) => full(&self.with, XX, &server, key, sealed, payload),
            (Some(_), Some(key)) => full(&self.with, XX_FALLBACK, &server, key, sealed, payload),
            (None, None) => Err(NoiseError::Missing("server static")),
        }
    }
}

fn resumed(
    with: &Initiator,
    mut state: Symmetric,
    server: &[u8; 32],
    sealed: &[u8],
) -> Result<Finished, NoiseError> {
    state.mix_hash(server);
    state.mix_dh(&with.ephemeral, server);
    state.mix_dh(&with.identity, server);
    let certificate = state.open(sealed)?;
    Ok(finished(&state, None, certificate))
}

fn full(
    with: &Initiator,
    name: &str,
    server: &[u8; 32],
    sealed_static: &[u8],
    sealed_certificate: &[u8],
    payload: &[u8],
) -> Result<Finished, NoiseError> {
    let mut state = Symmetric::new(name, &with.prologue);
    state.mix_hash(PublicKey::from(&with.ephemeral).as_bytes());
    state.mix_hash(server);
    state.mix_dh(&with.ephemeral, server);
    let identity = key(Some(&state.open(sealed_static)?), "server static")?;
    state.mix_dh(&with.ephemeral, &identity);
    let certificate = state.open(sealed_certificate)?;
    let static_key = state.seal(PublicKey::from(&with.identity).as_bytes())?;
    state.mix_dh(&with.identity, server);
    let payload = state.seal(payload)?;
    let finish = ClientFinish {
        static_key: Some(static_key),
        payload: Some(payload),
    };
    Ok(finished(&state, Some(finish), certificate))
}

fn finished(state: &Symmetric, finish: Option<ClientFinish>, certificate: Vec<u8>) -> Finished {
    let (send, receive) = state.split();
    Finished {
        finish,
        certificate,
        transcript: state.transcript(),
        transport: Transport { receive, send },
    }
}
