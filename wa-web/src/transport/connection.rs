//! One open connection, as the library wants it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::{self, Message, error::ProtocolError};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use whatsapp_rust::{
    anyhow, async_channel, async_trait,
    bytes::Bytes,
    wacore::net::{DisconnectReason, Transport, TransportEvent},
};

use super::{dial::Socket, stats::DialStats};

/// Events that may wait for the library. It reads them at once; when it does
/// not, reading from the socket waits, too.
const EVENTS: usize = 64;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long the last event may wait for room.
const LAST_EVENT: Duration = Duration::from_secs(5);

/// The writing half. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` once the connection is over, so that the socket is let go even if
    /// the library keeps its handle.
    sink: Arc<Mutex<Option<SplitSink<Socket, Message>>>>,
    stats: Arc<DialStats>,
    write_limit: Duration,
    over: CancellationToken,
    closing: Arc<AtomicBool>,
    _reader: AbortOnDropHandle<()>,
}

impl Connection {
    /// Starts reading. The first event is `Connected`, the last `Disconnected`.
    pub(super) fn start(
        socket: Socket,
        stats: Arc<DialStats>,
        write_limit: Duration,
    ) -> (Arc<Self>, async_channel::Receiver<TransportEvent>) {
        let (events, receiver) = async_channel::bounded(EVENTS);
        // The channel is new and has room.
        let _queued = events.try_send(TransportEvent::Connected);
        let (number, over) = stats.connected();
        let (sink, stream) = socket.split();
        let sink = Arc::new(Mutex::new(Some(sink)));
        let closing = Arc::new(AtomicBool::new(false));
        let end = End {
            stats: Arc::clone(&stats),
            number,
            closing: Arc::clone(&closing),
            reported: false,
        };
        let reader = Reader {
            stream,
            events,
            over: over.clone(),
            end,
            sink: Arc::clone(&sink),
        };
        let connection = Self {
            sink,
            stats,
            write_limit,
            over,
            closing,
            _reader: AbortOnDropHandle::new(tokio::spawn(reader.run())),
        };
        (Arc::new(connection), receiver)
    }

    async fn write(&self, data: Bytes) -> anyhow::Result<()> {
        let mut sink = self.sink.lock().await;
        let Some(sink) = sink.as_mut() else {
            return Err(anyhow::anyhow!("the connection is closed"));
        };
        Ok(sink.send(Message::Binary(data)).await?)
    }
}

#[async_trait]
impl Transport for Connection {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        let length = data.len();
        let sent = tokio::select! {
            biased;
            () = self.over.cancelled() => Err(anyhow::anyhow!("the connection is closed")),
            written = tokio::time::timeout(self.write_limit, self.write(data)) => {
                written.unwrap_or_else(|_elapsed| {
                    let limit = self.write_limit.as_secs_f32();
                    Err(anyhow::anyhow!("the other end took nothing for {limit} s"))
                })
            }
        };
        match sent {
            Ok(()) => self.stats.sent(length),
            // A frame that is half written, or missing, breaks the encryption of
            // all that follow.
            Err(_) => self.over.cancel(),
        }
        sent
    }

    async fn disconnect(&self) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let goodbye = async {
            if let Some(sink) = self.sink.lock().await.as_mut() {
                // The connection ends either way.
                let _gone = sink.close().await;
            }
        };
        let _elapsed = tokio::time::timeout(GOODBYE, goodbye).await;
        self.over.cancel();
    }
}

/// Reports the end of a connection once, even if its task is aborted.
struct End {
    stats: Arc<DialStats>,
    number: u64,
    closing: Arc<AtomicBool>,
    reported: bool,
}

impl End {
    fn report(&mut self, reason: &DisconnectReason) {
        if !self.reported {
            self.reported = true;
            let on_purpose = self.closing.load(Ordering::Acquire);
            self.stats.ended(self.number, reason, on_purpose);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        self.report(&DisconnectReason::Unknown);
    }
}

struct Reader {
    stream: SplitStream<Socket>,
    events: async_channel::Sender<TransportEvent>,
    over: CancellationToken,
    end: End,
    sink: Arc<Mutex<Option<SplitSink<Socket, Message>>>>,
}

impl Reader {
    async fn run(mut self) {
        let reason = self.read().await;
        let reason = if self.end.closing.load(Ordering::Acquire) {
            DisconnectReason::Unknown
        } else {
            reason
        };
        self.end.report(&reason);
        self.over.cancel();
        // A blocked write has given up by now: it watches the same token.
        *self.sink.lock().await = None;
        let last = self.events.send(TransportEvent::Disconnected(reason));
        let _no_reader = tokio::time::timeout(LAST_EVENT, last).await;
    }

    async fn read(&mut self) -> DisconnectReason {
        let over = self.over.clone();
        loop {
            let message = tokio::select! {
                biased;
                () = over.cancelled() => return cut(),
                message = self.stream.next() => message,
            };
            let data = match message {
                Some(Ok(Message::Binary(data))) => data,
                Some(Ok(Message::Close(frame))) => {
                    return DisconnectReason::ServerClose {
                        code: frame.as_ref().map(|f| f.code.into()),
                        reason: frame.map(|f| f.reason.to_string()).unwrap_or_default(),
                    };
                }
                // Pings are answered by the library of the WebSocket; text has no
                // meaning in this protocol.
                Some(Ok(_)) => continue,
                Some(Err(error)) => return read_error(&error),
                None => return DisconnectReason::StreamEnded,
            };
            self.end.stats.received(self.end.number, data.len());
            let event = self.events.send(TransportEvent::DataReceived(data));
            tokio::select! {
                biased;
                () = over.cancelled() => return cut(),
                sent = event => if sent.is_err() { return DisconnectReason::Unknown },
            }
        }
    }
}

fn cut() -> DisconnectReason {
    DisconnectReason::ReadError("it was silent or took no data, and was cut".to_owned())
}

fn read_error(error: &tungstenite::Error) -> DisconnectReason {
    match error {
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            DisconnectReason::StreamEnded
        }
        other => DisconnectReason::ReadError(other.to_string()),
    }
}
