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
