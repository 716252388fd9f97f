use loong_proto::wire::ClientHello;

use super::*;

fn secret(n: u8) -> StaticSecret {
    StaticSecret::from([n; 32])
}

fn initiator() -> Initiator {
    Initiator { identity: secret(1), ephemeral: secret(2), prologue: b"WA\x06\x03".to_vec() }
}

fn answer(identity: &StaticSecret, hello: &ClientHello) -> Result<Answer, NoiseError> {
    let responder = Responder { identity, certificate: b"certificates", prologue: b"WA\x06\x03" };
    responder.answer(hello, secret(4))
}

fn speak(client: &mut Transport, server: &mut Transport) -> Result<(), NoiseError> {
    for n in 0..3_u8 {
        let up = client.send.seal(&[n; 40])?;
        assert_eq!(server.receive.open(&up)?, [n; 40]);
        let down = server.send.seal(&[n; 7])?;
        assert_eq!(client.receive.open(&down)?, [n; 7]);
    }
    Ok(())
}

#[test]
fn a_full_handshake_agrees_on_everything() -> Result<(), NoiseError> {
    let (hello, started) = initiator().full();
    let Answer::Full(server_hello, pending) = answer(&secret(3), &hello)? else {
        panic!("a hello without a static key was taken for a resumption");
    };
    let mut client = started.finish(&server_hello, b"payload")?;
    let mut server = pending.finish(client.finish.as_ref().expect("a full handshake has a finish"))?;
    assert_eq!(client.certificate, b"certificates");
    assert_eq!(server.payload, b"payload");
    assert_eq!(server.client_static, PublicKey::from(&secret(1)).to_bytes());
    assert_eq!(client.transcript, server.transcript);
    speak(&mut client.transport, &mut server.transport)
}

#[test]
fn a_resumption_needs_one_round() -> Result<(), NoiseError> {
    let known = PublicKey::from(&secret(3)).to_bytes();
    let (hello, started) = initiator().resume(&known, b"payload")?;
    let Answer::Resumed(server_hello, mut server) = answer(&secret(3), &hello)? else {
        panic!("a resumption was not taken up");
    };
    assert_eq!(server_hello.static_key, None);
    let mut client = started.finish(&server_hello, b"unused")?;
    assert!(client.finish.is_none());
    assert_eq!(server.payload, b"payload");
    assert_eq!(client.transcript, server.transcript);
    speak(&mut client.transport, &mut server.transport)
}

#[test]
fn a_resumption_for_an_old_key_falls_back() -> Result<(), NoiseError> {
    let old = PublicKey::from(&secret(9)).to_bytes();
    let (hello, started) = initiator().resume(&old, b"early")?;
    let Answer::Full(server_hello, pending) = answer(&secret(3), &hello)? else {
        panic!("a resumption for another key was accepted");
    };
    let mut client = started.finish(&server_hello, b"late")?;
    let mut server = pending.finish(client.finish.as_ref().expect("a fallback has a finish"))?;
    assert_eq!(server.payload, b"late");
    assert_eq!(client.transcript, server.transcript);
    speak(&mut client.transport, &mut server.transport)
}

#[test]
fn changed_bytes_and_missing_parts_are_refused() -> Result<(), NoiseError> {
    let (hello, started) = initiator().full();
    let Answer::Full(mut server_hello, pending) = answer(&secret(3), &hello)? else {
        panic!("a hello without a static key was taken for a resumption");
    };
    let client = started.finish(&server_hello, b"payload")?;
    let mut finish = client.finish.expect("a full handshake has a finish");
    if let Some(byte) = finish.payload.as_mut().and_then(|payload| payload.last_mut()) {
        *byte ^= 1;
    }
    assert_eq!(pending.finish(&finish).map(|_| ()), Err(NoiseError::Decrypt));
    server_hello.static_key = Some(vec![0; 48]);
    let (_, started) = initiator().full();
    assert_eq!(started.finish(&server_hello, b"").map(|_| ()), Err(NoiseError::Decrypt));
    let nothing = ClientHello::default();
    assert_eq!(answer(&secret(3), &nothing).map(|_| ()), Err(NoiseError::Missing("client ephemeral")));
    let short = ClientHello { ephemeral: Some(vec![0; 31]), ..nothing };
    assert_eq!(answer(&secret(3), &short).map(|_| ()), Err(NoiseError::KeyLength("client ephemeral")));
    Ok(())
}

mod theirs {
    //! The library's own handshake as the client, against ours as the server.

    use loong_proto::wire::HandshakeMessage;
    use prost::Message as _;
    use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
    use whatsapp_rust::wacore::noise::{
        IkHandshakeState, IkServerHelloOutcome, NoiseCipher, XxFallbackHandshakeState, XxHandshakeState,
    };

    use super::super::*;
    use crate::wa_sim::cert::ServerIdentity;
    use crate::wa_sim::seed;

    const PROLOGUE: &[u8] = b"WA\x06\x03";

    type Done = Result<(), Box<dyn std::error::Error>>;

    fn keys() -> KeyPair {
        KeyPair::generate(&mut seed::rng(1, "client"))
    }

    fn answer(identity: &ServerIdentity, hello: &[u8]) -> Result<Answer, Box<dyn std::error::Error>> {
        let hello = HandshakeMessage::decode(hello)?.client_hello.ok_or("no client hello")?;
        let responder =
            Responder { identity: identity.secret(), certificate: identity.encoded(), prologue: PROLOGUE };
        Ok(responder.answer(&hello, StaticSecret::from([8; 32]))?)
    }

    fn encoded(hello: loong_proto::wire::ServerHello) -> Vec<u8> {
        HandshakeMessage { server_hello: Some(hello), ..HandshakeMessage::default() }.encode_to_vec()
    }

    fn finished(pending: PendingFinish, finish: &[u8]) -> Result<Established, Box<dyn std::error::Error>> {
        let finish = HandshakeMessage::decode(finish)?.client_finish.ok_or("no client finish")?;
        Ok(pending.finish(&finish)?)
    }

    fn speak(write: &NoiseCipher, read: &NoiseCipher, server: &mut Transport) -> Done {
        for n in 0..3_u32 {
            assert_eq!(server.receive.open(&write.encrypt_with_counter(n, b"up")?)?, b"up");
            let mut down = server.send.seal(b"down")?;
            read.decrypt_in_place_with_counter(n, &mut down)?;
            assert_eq!(down, b"down");
        }
        Ok(())
    }

    #[test]
    fn their_full_handshake_is_understood() -> Done {
        let identity = ServerIdentity::from_seed(1, 0)?;
        let mut client = XxHandshakeState::new(keys(), b"payload".to_vec(), PROLOGUE)?;
        let Answer::Full(hello, pending) = answer(&identity, &client.build_client_hello()?)? else {
            return Err("not a full handshake".into());
        };
        let finish = client.read_server_hello_and_build_client_finish(&encoded(hello))?;
        let mut server = finished(pending, &finish)?;
        assert_eq!(server.payload, b"payload");
        assert_eq!(server.client_static, keys().public_key.public_key_bytes());
        let client = client.finish()?;
        assert_eq!(client.server_cert_chain.leaf_key, identity.public());
        speak(&client.write_cipher, &client.read_cipher, &mut server.transport)
    }

    #[test]
    fn their_resumption_and_their_fallback_are_understood() -> Done {
        let (old, new) = (ServerIdentity::from_seed(1, 0)?, ServerIdentity::from_seed(1, 1)?);
        let client = || IkHandshakeState::new(keys(), old.public(), b"payload".to_vec(), PROLOGUE);
        let mut resuming = client()?;
        let Answer::Resumed(hello, mut server) = answer(&old, &resuming.build_client_hello()?)? else {
            return Err("not a resumption".into());
        };
        assert_eq!(server.payload, b"payload");
        let IkServerHelloOutcome::Continue(done) = resuming.read_server_hello(&encoded(hello))? else {
            return Err("the client fell back without a reason".into());
        };
        speak(&done.write_cipher, &done.read_cipher, &mut server.transport)?;

        let mut resuming = client()?;
        let Answer::Full(hello, pending) = answer(&new, &resuming.build_client_hello()?)? else {
            return Err("a resumption for the old key was accepted".into());
        };
        let IkServerHelloOutcome::Fallback(inputs) = resuming.read_server_hello(&encoded(hello))? else {
            return Err("the client did not fall back".into());
        };
        let mut client = XxFallbackHandshakeState::from_ik_failure(*inputs, PROLOGUE)?;
        let mut server = finished(pending, &client.build_client_finish()?)?;
        assert_eq!(server.payload, b"payload");
        let client = client.finish()?;
        assert_eq!(client.server_cert_chain.leaf_key, new.public());
        speak(&client.write_cipher, &client.read_cipher, &mut server.transport)
    }
}
