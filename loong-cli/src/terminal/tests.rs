//! What a person and a program see, byte for byte.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bridge_core::state::{LinkCode, LinkedAccount, SessionState, SessionStatus};

use super::{Event, Presenter, QrFile, Streams};
use crate::{Exit, Failure};

/// A stream that can be read afterwards, or that nobody reads.
#[derive(Debug, Clone, Default)]
struct Sink {
    bytes: Arc<Mutex<Vec<u8>>>,
    broken: bool,
}

impl Sink {
    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn take(&self) -> String {
        let text = self.text();
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        text
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn presenter(human: &Sink, events: Option<&Sink>, terminal: bool) -> Presenter {
    let streams = Streams {
        human: Box::new(human.clone()),
        terminal,
        colour: false,
        events: events.map(|sink| Box::new(sink.clone()) as Box<dyn Write + Send>),
    };
    Presenter::new(streams, None, || Some((100, 50)))
}

fn status(state: SessionState) -> SessionStatus {
    SessionStatus {
        state,
        ..SessionStatus::starting(1_000)
    }
}

fn with_qr(code: &str, expires_at_ms: u64) -> SessionStatus {
    SessionStatus {
        qr: Some(LinkCode {
            code: code.into(),
            expires_at_ms,
        }),
        ..status(SessionState::Unlinked)
    }
}

#[test]
fn each_state_is_one_line_and_repeats_are_silent() {
    let human = Sink::default();
    let mut presenter = presenter(&human, None, false);
    let online = SessionStatus {
        linked: Some(LinkedAccount {
            address: "15551234567@s.whatsapp.net".to_owned(),
            hidden_address: None,
            name: Some("Ann\u{1b}[2J".to_owned()),
        }),
        ..status(SessionState::Online)
    };
    let backoff = SessionStatus {
        cause: Some("connection refused".to_owned()),
        retry_at_ms: Some(6_500),
        attempt: 1,
        ..status(SessionState::Backoff)
    };
    let replaced = SessionStatus {
        cause: Some("another client took this session over".to_owned()),
        advice: Some("stop the other client".to_owned()),
        ..status(SessionState::Replaced)
    };
    for status in [
        status(SessionState::Starting),
        status(SessionState::Connecting),
        backoff,
        status(SessionState::Connecting),
        status(SessionState::Syncing),
        online.clone(),
        online,
        replaced,
        status(SessionState::Stopped),
    ] {
        presenter.update(&status, 1_000);
    }
    assert_eq!(
        human.text(),
        "connecting to WhatsApp\n\
         offline: connection refused; trying again in 6 s\n\
         connected; fetching what arrived meanwhile\n\
         online as Ann\\u{1b}[2J\n\
         replaced: another client took this session over\n  next: stop the other client\n\
         session closed\n"
    );
}

#[test]
fn the_own_number_is_shown_on_a_terminal_only() {
    let online = SessionStatus {
        linked: Some(LinkedAccount {
            address: "15551234567@s.whatsapp.net".to_owned(),
            hidden_address: None,
            name: None,
        }),
        ..status(SessionState::Online)
    };
    for (terminal, line) in [(true, "online as +15551234567\n"), (false, "online\n")] {
        let human = Sink::default();
        presenter(&human, None, terminal).update(&online, 1_000);
        assert_eq!(human.text(), line);
    }
}

#[test]
fn a_code_stays_in_its_place_counts_down_and_goes() {
    let human = Sink::default();
    let mut presenter = presenter(&human, None, true);
    presenter.update(&with_qr("first", 21_000), 1_000);
    let drawn = human.take();
    assert!(drawn.contains('█') && drawn.ends_with("scan within 20 s; a new code follows\r\n"));
    let lines = drawn.matches("\r\n").count();

    presenter.tick(2_000);
    assert_eq!(
        human.take(),
        "\u{1b}[1F\u{1b}[2Kscan within 19 s; a new code follows\r\n"
    );

    presenter.update(&with_qr("second", 41_000), 21_000);
    let redrawn = human.take();
    assert!(
        redrawn.starts_with(&format!("\u{1b}[{lines}F\u{1b}[J")),
        "{redrawn:?}"
    );

    presenter.update(&status(SessionState::Pairing), 22_000);
    assert_eq!(
        human.take(),
        format!("\u{1b}[{lines}F\u{1b}[Jthe phone has accepted the code; linking\n")
    );
    presenter.tick(23_000);
    assert_eq!(human.take(), "", "nothing is left to count down");
}

#[test]
fn a_window_that_is_too_small_gets_advice() {
    let human = Sink::default();
    let streams = Streams {
        human: Box::new(human.clone()),
        terminal: true,
        colour: false,
        events: None,
    };
    let mut presenter = Presenter::new(streams, None, || Some((80, 10)));
    presenter.update(&with_qr("code", 21_000), 1_000);
    let text = human.text();
    assert!(text.contains("the window has 80x10: enlarge it, or use --qr-png or --pairing-code"));
    assert!(!text.contains('█'));
    human.take();
    presenter.update(&status(SessionState::Pairing), 2_000);
    let gone = human.text();
    assert!(
        gone.starts_with("\u{1b}[3F\u{1b}[J"),
        "the advice had wrapped: {gone:?}"
    );
}

#[test]
fn elsewhere_a_code_is_plain_lines() {
    let human = Sink::default();
    presenter(&human, None, false).update(&with_qr("code", 21_000), 1_000);
    let text = human.text();
    assert!(text.contains("scan this QR code within 20 s:\n"), "{text}");
    assert!(text.contains('█') && !text.contains('\u{1b}') && !text.contains('\r'));
}

#[test]
fn events_are_one_object_per_line() {
    let (human, events) = (Sink::default(), Sink::default());
    let mut presenter = presenter(&human, Some(&events), false);
    let mut both = with_qr("2@abc", 21_000);
    both.pairing_code = Some(LinkCode {
        code: "ABCD-1234".into(),
        expires_at_ms: 180_000,
    });
    presenter.update(&both, 1_000);
    presenter.update(&both, 2_000);
    presenter.event(&Event::Stopped);
    let failure = Failure::new(Exit::PortTaken, "taken").next("stop it");
    presenter.event(&Event::error(&failure));
    assert_eq!(
        events.text(),
        "{\"event\":\"state\",\"state\":\"unlinked\",\"since_ms\":1000,\"attempt\":0,\"v\":1}\n\
         {\"event\":\"pairing_code\",\"code\":\"ABCD-1234\",\"expires_at_ms\":180000,\"v\":1}\n\
         {\"event\":\"qr\",\"code\":\"2@abc\",\"expires_at_ms\":21000,\"v\":1}\n\
         {\"event\":\"stopped\",\"v\":1}\n\
         {\"event\":\"error\",\"code\":\"port_taken\",\"exit\":10,\"message\":\"taken\",\
         \"next\":\"stop it\",\"v\":1}\n"
    );
    assert!(
        !human.text().contains('█'),
        "a program has the code already"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let broken = Sink {
        broken: true,
        ..Sink::default()
    };
    let mut presenter = presenter(&broken, Some(&broken), true);
    presenter.update(&with_qr("code", 21_000), 1_000);
    presenter.update(&status(SessionState::Online), 2_000);
    presenter.say("still here");
}

#[test]
fn the_picture_is_there_as_long_as_the_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("qr.png");
    let human = Sink::default();
    let streams = Streams {
        human: Box::new(human.clone()),
        terminal: false,
        colour: false,
        events: None,
    };
    let mut presenter = Presenter::new(streams, Some(QrFile::new(path.clone())), || None);
    presenter.update(&with_qr("code", 21_000), 1_000);
    assert!(path.exists());
    presenter.update(&status(SessionState::Pairing), 2_000);
    assert!(!path.exists());
    assert!(human.text().contains("the QR code is in "));
}
