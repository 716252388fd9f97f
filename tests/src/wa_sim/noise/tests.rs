use loong_proto::wire::ClientHello;

use super::*;

fn secret(n: u8) -> StaticSecret {
    StaticSecret::from([n; 32])
}

fn initiator() -> Initiator {
    Initiator {
        identity: secret(1),
        ephemeral: secret(2),
        prologue: b"WA\x06\x03".to_vec(),
    }
}

fn answer(identity: &StaticSecret, hello: &ClientHello) -> Result<Answer, NoiseError> {
    let responder = Responder {
        identity,
        certificate: b"certificates",
        prologue: b"WA\x06\x03",
    };
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
    let mut server = pending.finish(
        client
            .finish
            .as_ref()
            .expect("a full handshake has a finish"),
    )?;
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
    if let Some(byte) = finish
        .payload
        .as_mut()
        .and_then(|payload| payload.last_mut())
    {
        *byte ^= 1;
    }
    assert_eq!(
        pending.finish(&finish).map(|_| ()),
        Err(NoiseError::Decrypt)
    );
    server_hello.static_key = Some(vec![0; 48]);
    let (_, started) = initiator().full();
    assert_eq!(
        started.finish(&server_hello, b"").map(|_| ()),
        Err(NoiseError::Decrypt)
    );
    let nothing = ClientHello::default();
    assert_eq!(
        answer(&secret(3), &nothing).map(|_| ()),
        Err(NoiseError::Missing("client ephemeral"))
    );
    let short = ClientHello {
        ephemeral: Some(vec![0; 31]),
        ..nothing
    };
    assert_eq!(
        answer(&secret(3), &short).map(|_| ()),
        Err(NoiseError::KeyLength("client ephemeral"))
    );
    Ok(())
}

/// The same exchanges, computed once with another implementation (Node's
/// `crypto` module) from the same keys: 32 times 1, 2, 3 and 4.
mod fixtures {
    use super::*;

    struct Expected {
        sealed: [&'static str; 4],
        transcript: &'static str,
        first_up: &'static str,
        second_down: &'static str,
    }

    /// Server static, certificate, client static, payload.
    const FULL: Expected = Expected {
        sealed: [
            "d4c9856676fde558f69b9347b4f34194bf4af4b72afef9b550038a764652bcd467f9980c65825bd716553b31bcf17759",
            "7eb281f8067ff140d5dcb5df020f0043b30662c33e8937e28a10b8e2",
            "599b61d8987775d21570135cae3d36e5cdf4629e9dd0f9506de827d8ee9e17edca8c7bb37c0a05dbbc1b7241d2133ca4",
            "e77b4fb117da0d6024be4eb9366cab655fb0ab99b574af",
        ],
        transcript: "fce0758adb9d6915e0993b9184c2fd901f10b0935cc34185d3ddb89f24378e9c",
        first_up: "038a4425936957196bc7fdaf8915a26512b9",
        second_down: "cd4ba9500d4df995e2d0675212c1391679832d99",
    };

    const FALLBACK: Expected = Expected {
        sealed: [
            "48f54cac52323ea43a7c79f76c74ebc22ebdf7d36015f5701d2a29fba2e93d5467f9e15b8ee6877b5bebc13bf95ba65c",
            "791b53d5db61b6f055d00b11836183f3f6dd6a7158fac32050e8d23f",
            "ebb40e3bc357ef984d101fc2210ca11161a6d98c580f71b4b48689e1d83c4620b7db9fb1f2ad063a49a71f6592bdd886",
            "641ac6eb0d1878eee718a716b9304b8ebc5aa618464cec",
        ],
        transcript: "44291a152b947d36b8b88696c2a25a6e93de775d107a85e91734dabfa48e81bc",
        first_up: "7f623779dd3b59f483cf0b676784c446de2e",
        second_down: "963c76e1705af1f66a8959602d70c87fb3ca9b6c",
    };

    /// Client static, payload, certificate; nothing fourth.
    const RESUMED: Expected = Expected {
        sealed: [
            "09a5444ba2d3c4b9d9f3472cb62f7f25ce1bf82ba40434e4226a0fbbd23172b2b11a8de012b0efc88ab264d8efc7c634",
            "12a061a6334925419c3f3d58c03d29c79183d43725a0d6",
            "235a32daaebb7a38758d145819f09e27fc87b9d47860ea47aed45016",
            "",
        ],
        transcript: "de46fda9125049c17e42aa5745a12cc66f4d1d5d2990489ba302c981e577652b",
        first_up: "57ec76c36c74fb229a160d85889e9f24ff9d",
        second_down: "e9518b5de8138a3bbd7fd7126f48ab85848da954",
    };

    fn text(bytes: Option<&Vec<u8>>) -> String {
        bytes.map(hex::encode).unwrap_or_default()
    }

    fn check(mut server: Established, expected: &Expected) -> Result<(), NoiseError> {
        assert_eq!(hex::encode(server.transcript), expected.transcript);
        let up = hex::decode(expected.first_up).expect("a fixture is hexadecimal");
        assert_eq!(server.transport.receive.open(&up)?, b"up");
        server.transport.send.seal(b"down")?;
        assert_eq!(
            hex::encode(server.transport.send.seal(b"down")?),
            expected.second_down
        );
        Ok(())
    }

    fn full(hello: &ClientHello, started: Started, expected: &Expected) -> Result<(), NoiseError> {
        let Answer::Full(server_hello, pending) = answer(&secret(3), hello)? else {
            panic!("this hello cannot be a resumption");
        };
        let client = started.finish(&server_hello, b"payload")?;
        let finish = client.finish.expect("a full handshake has a finish");
        let sealed = [
            text(server_hello.static_key.as_ref()),
            text(server_hello.payload.as_ref()),
            text(finish.static_key.as_ref()),
            text(finish.payload.as_ref()),
        ];
        assert_eq!(sealed, expected.sealed);
        check(pending.finish(&finish)?, expected)
    }

    #[test]
    fn a_full_handshake_has_these_bytes() -> Result<(), NoiseError> {
        let (hello, started) = initiator().full();
        full(&hello, started, &FULL)
    }

    #[test]
    fn a_fallback_has_these_bytes() -> Result<(), NoiseError> {
        let (hello, started) =
            initiator().resume(&PublicKey::from(&secret(9)).to_bytes(), b"early")?;
        full(&hello, started, &FALLBACK)
    }

    #[test]
    fn a_resumption_has_these_bytes() -> Result<(), NoiseError> {
        let (hello, _) = initiator().resume(&PublicKey::from(&secret(3)).to_bytes(), b"payload")?;
        let Answer::Resumed(server_hello, server) = answer(&secret(3), &hello)? else {
            panic!("a resumption was not taken up");
        };
        let sealed = [
            text(hello.static_key.as_ref()),
            text(hello.payload.as_ref()),
            text(server_hello.payload.as_ref()),
            String::new(),
        ];
        assert_eq!(sealed, RESUMED.sealed);
        check(*server, &RESUMED)
    }
}

mod theirs {
    //! The library's own handshake as the client, against ours as the server.

    use loong_proto::wire::HandshakeMessage;
    use prost::Message as _;
    use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
    use whatsapp_rust::wacore::noise::{
        IkHandshakeState, IkServerHelloOutcome, NoiseCipher, XxFallbackHandshakeState,
        XxHandshakeState,
    };

    use super::super::*;
    use crate::wa_sim::cert::ServerIdentity;
    use crate::wa_sim::seed;

    const PROLOGUE: &[u8] = b"WA\x06\x03";

    type Done = Result<(), Box<dyn std::error::Error>>;

    fn keys() -> KeyPair {
        KeyPair::generate(&mut seed::rng(1, "client"))
    }

    fn answer(
        identity: &ServerIdentity,
        hello: &[u8],
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let hello = HandshakeMessage::decode(hello)?
            .client_hello
            .ok_or("no client hello")?;
        let responder = Responder {
            identity: identity.secret(),
            certificate: identity.encoded(),
            prologue: PROLOGUE,
        };
        Ok(responder.answer(&hello, StaticSecret::from([8; 32]))?)
    }

    fn encoded(hello: loong_proto::wire::ServerHello) -> Vec<u8> {
        HandshakeMessage {
            server_hello: Some(hello),
            ..HandshakeMessage::default()
        }
        .encode_to_vec()
    }

    fn finished(
        pending: Box<PendingFinish>,
        finish: &[u8],
    ) -> Result<Established, Box<dyn std::error::Error>> {
        let finish = HandshakeMessage::decode(finish)?
            .client_finish
            .ok_or("no client finish")?;
        Ok(pending.finish(&finish)?)
    }

    fn speak(write: &NoiseCipher, read: &NoiseCipher, server: &mut Transport) -> Done {
        for n in 0..3_u32 {
            assert_eq!(
                server
                    .receive
                    .open(&write.encrypt_with_counter(n, b"up")?)?,
                b"up"
            );
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
        speak(
            &client.write_cipher,
            &client.read_cipher,
            &mut server.transport,
        )
    }

    #[test]
    fn their_resumption_and_their_fallback_are_understood() -> Done {
        let (old, new) = (
            ServerIdentity::from_seed(1, 0)?,
            ServerIdentity::from_seed(1, 1)?,
        );
        let client = || IkHandshakeState::new(keys(), old.public(), b"payload".to_vec(), PROLOGUE);
        let mut resuming = client()?;
        let Answer::Resumed(hello, mut server) = answer(&old, &resuming.build_client_hello()?)?
        else {
            return Err("not a resumption".into());
        };
        assert_eq!(server.payload, b"payload");
        let IkServerHelloOutcome::Continue(done) = resuming.read_server_hello(&encoded(hello))?
        else {
            return Err("the client fell back without a reason".into());
        };
        speak(&done.write_cipher, &done.read_cipher, &mut server.transport)?;

        let mut resuming = client()?;
        let Answer::Full(hello, pending) = answer(&new, &resuming.build_client_hello()?)? else {
            return Err("a resumption for the old key was accepted".into());
        };
        let IkServerHelloOutcome::Fallback(inputs) = resuming.read_server_hello(&encoded(hello))?
        else {
            return Err("the client did not fall back".into());
        };
        let mut client = XxFallbackHandshakeState::from_ik_failure(*inputs, PROLOGUE)?;
        let mut server = finished(pending, &client.build_client_finish()?)?;
        assert_eq!(server.payload, b"payload");
        let client = client.finish()?;
        assert_eq!(client.server_cert_chain.leaf_key, new.public());
        speak(
            &client.write_cipher,
            &client.read_cipher,
            &mut server.transport,
        )
    }
}
