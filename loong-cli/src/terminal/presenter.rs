//! From session states to what is written.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bridge_core::state::{LinkCode, SessionState, SessionStatus};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{events::Event, qr::Matrix, qr_png::QrFile, sanitize::plain, screen::Screen, wording};

/// How often a countdown changes.
const TICK: Duration = Duration::from_secs(1);

/// Where things are written.
pub struct Streams {
    /// Lines for people.
    pub human: Box<dyn Write + Send>,
    /// Whether people sit at the other end.
    pub terminal: bool,
    /// Whether colours are welcome there.
    pub colour: bool,
    /// Lines for programs.
    pub events: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams")
            .field("terminal", &self.terminal)
            .field("colour", &self.colour)
            .field("events", &self.events.is_some())
            .finish_non_exhaustive()
    }
}

/// Tells people and programs how a session is doing. A stream that nobody reads
/// any more is dropped, and the bridge goes on.
#[derive(Debug)]
pub struct Presenter {
    streams: Streams,
    human_gone: bool,
    screen: Screen,
    picture: Option<QrFile>,
    window: fn() -> Option<(u16, u16)>,
    shown: Shown,
}

/// What was written last, so that nothing is said twice.
#[derive(Debug, Default)]
struct Shown {
    state: Option<SessionState>,
    event: Option<String>,
    qr: Option<(SecretString, u64)>,
    pairing: Option<SecretString>,
}

impl Presenter {
    /// Writes to `streams`, and pictures of QR codes to `picture`. `window` tells
    /// the columns and rows of the terminal.
    #[must_use]
    pub fn new(
        streams: Streams,
        picture: Option<QrFile>,
        window: fn() -> Option<(u16, u16)>,
    ) -> Self {
        Self {
            screen: Screen::new(streams.colour),
            streams,
            human_gone: false,
            picture,
            window,
            shown: Shown::default(),
        }
    }

    /// Follows a session until it is gone or `done`. Writing may block, so this
    /// belongs onto a thread of its own.
    pub async fn follow(
        &mut self,
        mut status: watch::Receiver<SessionStatus>,
        done: &CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let first = status.borrow_and_update().clone();
        self.update(&first, now_ms());
        loop {
            tokio::select! {
                biased;
                changed = status.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = status.borrow_and_update().clone();
                    self.update(&now, now_ms());
                }
                () = done.cancelled() => {
                    let last = status.borrow_and_update().clone();
                    self.update(&last, now_ms());
                    break;
                }
                _ = tick.tick() => self.tick(now_ms()),
            }
        }
        self.clear_code();
    }

    /// Writes a line for people.
    pub fn say(&mut self, line: &str) {
        self.human(|screen, out| {
            screen.erase(out)?;
            writeln!(out, "{line}")?;
            out.flush()
        });
    }

    /// Writes a line for programs.
    pub fn event(&mut self, event: &Event<'_>) {
        self.raw_event(&event.line());
    }

    /// Shows a new state of the session, as far as it is news.
    pub fn update(&mut self, status: &SessionStatus, now_ms: u64) {
        // Before any line: what cannot be scanned any more is not drawn below it.
        if status.qr.is_none() && self.shown.qr.is_some() {
            self.clear_code();
        }
        let event = Event::state(status).line();
        if self.shown.event.as_ref() != Some(&event) {
            self.raw_event(&event);
            let private = self.streams.terminal;
            if let Some(text) = wording::line(self.shown.state, status, now_ms, private) {
                self.say(&text);
                self.reshow(now_ms);
            }
            self.shown.event = Some(event);
            self.shown.state = Some(status.state);
        }
        self.pairing_code(status, now_ms);
        self.qr(status, now_ms);
    }

    /// Counts down.
    pub fn tick(&mut self, now_ms: u64) {
        let Some((_, expires)) = &self.shown.qr else {
            return;
        };
        let seconds = seconds_until(*expires, now_ms);
        if self.streams.terminal
            && let Some(size) = (self.window)()
        {
            self.human(|screen, out| screen.tick(out, size, seconds));
        }
    }

    fn pairing_code(&mut self, status: &SessionStatus, now_ms: u64) {
        let Some(code) = &status.pairing_code else {
            self.shown.pairing = None;
            return;
        };
        let same = |shown: &SecretString| shown.expose_secret() == code.code.expose_secret();
        if self.shown.pairing.as_ref().is_some_and(same) {
            return;
        }
        self.shown.pairing = Some(code.code.clone());
        if let Some(event) = Event::pairing_code(status) {
            self.event(&event);
        }
        self.say(&format!(
            "pairing code: {} (on the phone: Linked devices > Link a device > Link with phone \
             number instead)",
            plain(code.code.expose_secret())
        ));
        self.reshow(now_ms);
    }

    fn qr(&mut self, status: &SessionStatus, now_ms: u64) {
        let Some(qr) = &status.qr else {
            return;
        };
        let same =
            |(shown, _): &(SecretString, u64)| shown.expose_secret() == qr.code.expose_secret();
        if self.shown.qr.as_ref().is_some_and(same) {
            return;
        }
        if let Some(event) = Event::qr(status) {
            self.event(&event);
        }
        self.draw(qr, now_ms);
        self.shown.qr = Some((qr.code.clone(), qr.expires_at_ms));
    }

    fn draw(&mut self, qr: &LinkCode, now_ms: u64) {
        let matrix = match Matrix::encode(qr.code.expose_secret()) {
            Ok(matrix) => matrix,
            Err(error) => return self.say(&format!("warning: {error}")),
        };
        if let Some(picture) = &mut self.picture {
            let first = self.shown.qr.is_none();
            let path = picture.path().display().to_string();
            match picture.show(&matrix) {
                Ok(()) if first => self.say(&format!("the QR code is in {}", plain(&path))),
                Ok(()) => {}
                Err(error) => self.say(&format!(
                    "warning: the QR code cannot be written to {}: {error}",
                    plain(&path)
                )),
            }
        }
        let seconds = seconds_until(qr.expires_at_ms, now_ms);
        if self.streams.terminal {
            let size = (self.window)().unwrap_or((80, 24));
            self.human(|screen, out| screen.show(out, &matrix, size, seconds));
        } else if self.streams.events.is_none() {
            self.say(&format!("scan this QR code within {seconds} s:"));
            for line in matrix.lines() {
                self.say(&line);
            }
        }
    }

    /// Draws the code again below a line that was written meanwhile.
    fn reshow(&mut self, now_ms: u64) {
        let Some((code, expires_at_ms)) = &self.shown.qr else {
            return;
        };
        if !self.streams.terminal {
            return;
        }
        let qr = LinkCode {
            code: code.clone(),
            expires_at_ms: *expires_at_ms,
        };
        if let Ok(matrix) = Matrix::encode(qr.code.expose_secret()) {
            let size = (self.window)().unwrap_or((80, 24));
            let seconds = seconds_until(qr.expires_at_ms, now_ms);
            self.human(|screen, out| screen.show(out, &matrix, size, seconds));
        }
    }

    /// Nothing is to be scanned any more.
    fn clear_code(&mut self) {
        self.shown.qr = None;
        self.human(|screen, out| screen.erase(out));
        if let Some(picture) = &mut self.picture
            && let Err(error) = picture.clear()
        {
            let path = picture.path().display().to_string();
            self.say(&format!(
                "warning: {} cannot be removed: {error}",
                plain(&path)
            ));
        }
    }

    fn human(&mut self, write: impl FnOnce(&mut Screen, &mut dyn Write) -> io::Result<()>) {
        if self.human_gone {
            return;
        }
        if let Err(error) = write(&mut self.screen, &mut *self.streams.human) {
            // Nobody reads it any more; that is no reason to stop.
            tracing::debug!(%error, "nobody reads the output");
            self.human_gone = true;
        }
    }

    fn raw_event(&mut self, line: &str) {
        if let Some(out) = &mut self.streams.events
            && let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush())
        {
            tracing::debug!(%error, "nobody reads the events");
            self.streams.events = None;
        }
    }
}

fn seconds_until(at_ms: u64, now_ms: u64) -> u64 {
    at_ms.saturating_sub(now_ms).div_ceil(1000)
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
