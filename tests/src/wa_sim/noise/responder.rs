//! The server's side of the handshake.

use loong_proto::wire::{ClientFinish, ClientHello, ServerHello};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Established, IK, NoiseError, Symmetric, Transport, XX, XX_FALLBACK, key};

/// What the server brings to every handshake.
pub struct Responder<'a> {
    /// Its static key.
    pub identity: &'a StaticSecret,
    /// The encoded certificate chain that names this key.
    pub certificate: &'a [u8],
    /// What both sides hash first: the 4 bytes `WA`, 6, 3.
    pub prologue: &'a [u8],
}

impl std::fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

/// The server's answer to a hello.
#[derive(Debug)]
pub enum Answer {
    /// The client resumed: nothing more is needed once the hello is sent.
    Resumed(ServerHello, Box<Established>),
    /// The client must still send its finish.
    Full(ServerHello, Box<PendingFinish>),
}

/// A full handshake that waits for the client's finish.
pub struct PendingFinish {
    state: Symmetric,
    ephemeral: StaticSecret,
}

impl std::fmt::Debug for PendingFinish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingFinish").finish_non_exhaustive()
    }
}

impl Responder<'_> {
    /// Answers a hello, using `ephemeral` once. A resumption that was made for
    /// another server key falls back to a full handshake.
    ///
    /// # Errors
    /// When a key is missing or malformed.
    pub fn answer(
        &self,
        hello: &ClientHello,
        ephemeral: StaticSecret,
    ) -> Result<Answer, NoiseError> {
        let theirs = key(hello.ephemeral.as_deref(), "client ephemeral")?;
        let (Some(sealed_static), Some(sealed_payload)) = (&hello.static_key, &hello.payload)
        else {
            return self.full(XX, &theirs, ephemeral);
        };
        match self.resume(&theirs, sealed_static, sealed_payload) {
            Ok(opened) => self.resumed(&theirs, opened, &ephemeral),
            Err(NoiseError::Decrypt) => self.full(XX_FALLBACK, &theirs, ephemeral),
            Err(other) => Err(other),
        }
    }

    fn full(
        &self,
        name: &str,
        theirs: &[u8; 32],
        ephemeral: StaticSecret,
    ) -> Result<Answer, NoiseError> {
        let mut state = Symmetric::new(name, self.prologue);
        state.mix_hash(theirs);
        let public = PublicKey::from(&ephemeral).to_bytes();
        state.mix_hash(&public);
        state.mix_dh(&ephemeral, theirs);
        let static_key = state.seal(PublicKey::from(self.identity).as_bytes())?;
        state.mix_dh(self.identity, theirs);
        let payload = state.seal(self.certificate)?;
        let hello = ServerHello {
            ephemeral: Some(public.to_vec()),
            static_key: Some(static_key),
            payload: Some(payload),
        };
        Ok(Answer::Full(
            hello,
            Box::new(PendingFinish { state, ephemeral }),
        ))
    }

    fn resume(
        &self,
        theirs: &[u8; 32],
        sealed_static: &[u8],
        sealed_payload: &[u8],
    ) -> Result<(Symmetric, [u8; 32], Vec<u8>), NoiseError> {
        let mut state = Symmetric::new(IK, self.prologue);
        state.mix_hash(PublicKey::from(self.identity).as_bytes());
        state.mix_hash(theirs);
        state.mix_dh(self.identity, theirs);
        let client = key(Some(&state.open(sealed_static)?), "client static")?;
        state.mix_dh(self.identity, &client);
        let payload = state.open(sealed_payload)?;
        Ok((state, client, payload))
    }

    fn resumed(
        &self,
        theirs: &[u8; 32],
        (mut state, client_static, payload): (Symmetric, [u8; 32], Vec<u8>),
        ephemeral: &StaticSecret,
    ) -> Result<Answer, NoiseError> {
        let public = PublicKey::from(ephemeral).to_bytes();
        state.mix_hash(&public);
        state.mix_dh(ephemeral, theirs);
        state.mix_dh(ephemeral, &client_static);
        let certificate = state.seal(self.certificate)?;
        let hello = ServerHello {
            ephemeral: Some(public.to_vec()),
            static_key: None,
            payload: Some(certificate),
        };
        let established = established(&state, client_static, payload);
        Ok(Answer::Resumed(hello, Box::new(established)))
    }
}

impl PendingFinish {
    /// Ends the handshake with the client's last message.
    ///
    /// # Errors
    /// When a part is missing or does not authenticate.
    pub fn finish(mut self, finish: &ClientFinish) -> Result<Established, NoiseError> {
        let sealed_static = finish
            .static_key
            .as_deref()
            .ok_or(NoiseError::Missing("client static"))?;
        let sealed_payload = finish
            .payload
            .as_deref()
            .ok_or(NoiseError::Missing("payload"))?;
        let client = key(Some(&self.state.open(sealed_static)?), "client static")?;
        self.state.mix_dh(&self.ephemeral, &client);
        let payload = self.state.open(sealed_payload)?;
        Ok(established(&self.state, client, payload))
    }
}

fn established(state: &Symmetric, client_static: [u8; 32], payload: Vec<u8>) -> Established {
    let (receive, send) = state.split();
    Established {
        client_static,
        payload,
        transcript: state.transcript(),
        transport: Transport { receive, send },
    }
}
