//! An open connection.

use std::{sync::Arc, time::Duration};

use whatsapp_rust::{
    async_channel::Receiver,
    bytes::Bytes,
    wacore::net::{DisconnectReason, Transport, TransportEvent, TransportFactory as _},
};

use super::servers;
use crate::transport::{DialLimits, DialStats, Endpoint, ProxyChoice, WsTransportFactory};

/// How long a test waits for anything.
const WAIT: Duration = Duration::from_secs(10);

struct Open {
    transport: Arc<dyn Transport>,
    events: Receiver<TransportEvent>,
    stats: Arc<DialStats>,
}

async fn open(server: &servers::Server, write: Duration) -> Open {
    let endpoint = Endpoint::parse(&format!("ws://{}/ws/chat", server.address))
        .unwrap()
        .with_proxy(ProxyChoice::Direct);
    let limits = DialLimits {
        write,
        ..DialLimits::default()
    };
    let factory = WsTransportFactory::with_limits(endpoint, limits).unwrap();
    let stats = factory.stats();
    let (transport, events) = factory.create_transport().await.unwrap();
    let open = Open {
        transport,
        events,
        stats,
    };
    assert!(matches!(open.next().await, TransportEvent::Connected));
    open
}

impl Open {
    async fn next(&self) -> TransportEvent {
        tokio::time::timeout(WAIT, self.events.recv())
            .await
            .expect("an event in time")
            .expect("an event")
    }

    async fn data(&self) -> Bytes {
        match self.next().await {
            TransportEvent::DataReceived(data) => data,
            other => panic!("not data: {other:?}"),
        }
    }

    /// The last event; nothing may follow it.
    async fn end(&self) -> DisconnectReason {
        let reason = match self.next().await {
            TransportEvent::Disconnected(reason) => reason,
            other => panic!("not the end: {other:?}"),
        };
        let after = tokio::time::timeout(WAIT, self.events.recv()).await;
        assert!(after.expect("the channel closes").is_err());
        reason
    }

    async fn say(&self, text: &'static str) {
        self.transport
            .send(Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_are_counted() {
    let server = servers::ws().await;
    let open = open(&server, WAIT).await;
    let made = open.stats.last_received_ms().expect("a connection");
    assert_eq!(open.data().await, "hello");
    open.say("one").await;
    open.say("two").await;
    assert_eq!(open.data().await, "one");
    assert_eq!(open.data().await, "two");
    assert_eq!(open.stats.received_frames(), 3);
    assert_eq!(open.stats.bytes(), (11, 6));
    assert!(open.stats.last_received_ms().is_some_and(|at| at >= made));
    assert!(open.stats.report().connected);
    assert_eq!(open.stats.last_failure(), None);
}

#[tokio::test]
async fn closing_twice_is_closing_once() {
    let server = servers::ws().await;
    let open = open(&server, WAIT).await;
    assert_eq!(open.data().await, "hello");
    open.transport.disconnect().await;
    open.transport.disconnect().await;
    assert!(matches!(open.end().await, DisconnectReason::Unknown));
    assert!(open.transport.send(Bytes::from_static(b"x")).await.is_err());
    let report = open.stats.report();
    assert!(!report.connected);
    assert_eq!(report.last_end.as_deref(), Some("closed by us"));
    assert_eq!(open.stats.last_failure(), None);
}

#[tokio::test]
async fn the_server_s_reason_for_closing_is_kept() {
    let server = servers::ws().await;
    let open = open(&server, WAIT).await;
    assert_eq!(open.data().await, "hello");
    open.say("close").await;
    let reason = open.end().await;
    assert!(
        matches!(&reason, DisconnectReason::ServerClose { code: Some(1012), reason } if reason == "later"),
        "{reason:?}"
    );
    assert!(
        open.stats
            .last_failure()
            .is_some_and(|cause| cause.contains("1012"))
    );
}

#[tokio::test]
async fn an_end_without_a_word_is_no_failure_once_the_server_has_spoken() {
    let server = servers::ws().await;
    let open = open(&server, WAIT).await;
    assert_eq!(open.data().await, "hello");
    open.say("drop").await;
    assert!(matches!(open.end().await, DisconnectReason::StreamEnded));
    assert_eq!(open.stats.last_failure(), None);
    assert!(
        open.stats
            .report()
            .last_end
            .is_some_and(|end| end.contains("EOF"))
    );
}

#[tokio::test]
async fn a_silent_connection_can_be_cut() {
    let server = servers::deaf().await;
    let open = open(&server, WAIT).await;
    open.stats.close_current();
    assert!(matches!(open.end().await, DisconnectReason::ReadError(_)));
    assert!(
        open.stats
            .last_failure()
            .is_some_and(|cause| cause.contains("silent"))
    );
    assert!(open.transport.send(Bytes::from_static(b"x")).await.is_err());
    open.transport.disconnect().await;
}

#[tokio::test]
async fn a_write_that_nobody_takes_ends_the_connection() {
    let server = servers::deaf().await;
    let open = open(&server, Duration::from_millis(300)).await;
    let block = Bytes::from(vec![0; 1 << 20]);
    // The system buffers some megabytes before a write blocks.
    let mut refused = None;
    for _ in 0..256 {
        if let Err(error) = open.transport.send(block.clone()).await {
            refused = Some(error.to_string());
            break;
        }
    }
    assert!(refused.is_some_and(|error| error.contains("took nothing")));
    assert!(matches!(open.end().await, DisconnectReason::ReadError(_)));
}

#[tokio::test]
async fn a_dropped_connection_is_let_go() {
    let server = servers::ws().await;
    let open = open(&server, WAIT).await;
    assert_eq!(open.data().await, "hello");
    let mut reports = open.stats.watch();
    drop(open.transport);
    let ended = reports.wait_for(|report| !report.connected);
    let ended = tokio::time::timeout(WAIT, ended)
        .await
        .expect("in time")
        .unwrap();
    assert_eq!(ended.last_end.as_deref(), Some("closed by us"));
}
