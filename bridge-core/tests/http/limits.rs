//! What a caller can cost: weakness 14, and those who open connections and say
//! nothing.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::rig::{PATIENCE, Result, Rig, answer, envelope};

/// Writes `request` and returns what comes until the server closes.
async fn raw(rig: &Rig, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).await?;
    stream.write_all(request).await?;
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> Result<String> {
    let mut answered = Vec::new();
    // A reset after the answer is as good as an end.
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut answered)).await?;
    Ok(String::from_utf8_lossy(&answered).into_owned())
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() -> Result {
    let rig = Rig::start().await?;
    for extra in [1024 * 1024, 3 * 1024 * 1024] {
        let mut request = envelope("receive_batch", json!({}));
        request["padding"] = json!("x".repeat(extra));
        let (status, body) = answer(rig.post(&request)).await?;
        assert_eq!(
            (status.as_u16(), &body["payload"]["code"]),
            (413, &json!("too_large"))
        );
    }
    let mut request = envelope("receive_batch", json!({}));
    request["padding"] = json!("x".repeat(900_000));
    assert_eq!(answer(rig.post(&request)).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_off() -> Result {
    let rig = Rig::with_options(|options| options.limits.body_bytes = 1000).await?;
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).await?;
    let head = format!(
        "POST /bridge HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        rig.port
    );
    stream.write_all(head.as_bytes()).await?;
    let chunk = format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000));
    let (mut reading, mut writing) = stream.into_split();
    let writer =
        tokio::spawn(async move { while writing.write_all(chunk.as_bytes()).await.is_ok() {} });
    let mut answered = vec![0; 12];
    timeout(PATIENCE, reading.read_exact(&mut answered)).await??;
    assert_eq!(String::from_utf8_lossy(&answered), "HTTP/1.1 413");
    timeout(PATIENCE, writer).await??;
    Ok(())
}

#[tokio::test]
async fn a_body_that_never_comes_times_out() -> Result {
    let rig =
        Rig::with_options(|options| options.limits.body_time = Duration::from_millis(200)).await?;
    let head = format!(
        "POST /bridge HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{",
        rig.port
    );
    let answered = raw(&rig, head.as_bytes()).await?;
    assert!(answered.starts_with("HTTP/1.1 408"), "{answered}");
    assert!(answered.contains("did not arrive"), "{answered}");
    Ok(())
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() -> Result {
    let rig =
        Rig::with_options(|options| options.limits.head_time = Duration::from_millis(300)).await?;
    for start in ["", "POST /bridge HTTP/1.1\r\nhost: 127"] {
        let answered = raw(&rig, start.as_bytes()).await?;
        assert!(!answered.starts_with("HTTP/1.1 200"), "{answered}");
    }
    assert_eq!(answer(rig.http.get(rig.url("/healthz"))).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() -> Result {
    let rig = Rig::start().await?;
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n",
        rig.port
    );
    let many: String = (0..100).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(64 * 1024));
    for extra in [many, long] {
        let answered = raw(&rig, format!("{head}{extra}\r\n").as_bytes()).await?;
        assert!(
            answered.is_empty() || answered.starts_with("HTTP/1.1 431"),
            "{answered}"
        );
    }
    let answered = raw(&rig, format!("{head}\r\n").as_bytes()).await?;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    Ok(())
}

#[tokio::test]
async fn long_polls_beyond_the_limit_are_busy_and_keep_nobody_out() -> Result {
    let rig = Arc::new(
        Rig::with_options(|options| {
            options.limits.long_polls = 1;
            options.limits.requests = 1;
        })
        .await?,
    );
    let holder = Arc::clone(&rig);
    let first = tokio::spawn(async move {
        loop {
            let answered = poll(&holder, "first", 25_000).await;
            if !answered.as_ref().is_ok_and(|(status, _)| *status == 429) {
                return answered;
            }
        }
    });
    // Short ones get the only place until the long one has it.
    let refused = timeout(PATIENCE, async {
        loop {
            match poll(&rig, "second", 1).await {
                Ok((200, _)) => {}
                other => return other,
            }
        }
    });
    let (status, body) = refused.await??;
    assert_eq!((status, &body["payload"]["code"]), (429, &json!("busy")));
    // The only place of the other requests is free, at the latest when the long
    // poll has found its own; it lasts longer than our patience.
    let served = timeout(PATIENCE, async {
        while rig.call("complete_batch", json!({})).await?.0 != 200 {}
        Result::Ok(())
    });
    served.await??;
    rig.stop.cancel();
    assert_eq!(timeout(PATIENCE, first).await???.0, 200);
    Ok(())
}

async fn poll(
    rig: &Rig,
    consumer: &str,
    wait_ms: u64,
) -> std::result::Result<(u16, Value), String> {
    let payload = json!({"consumer": consumer, "wait_ms": wait_ms});
    match answer(rig.post(&envelope("receive_batch", payload))).await {
        Ok((status, body)) => Ok((status.as_u16(), body)),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() -> Result {
    let rig = Rig::with_options(|options| {
        options.limits.connections = 2;
        options.limits.head_time = Duration::from_millis(300);
    })
    .await?;
    let idle = [
        TcpStream::connect(("127.0.0.1", rig.port)).await?,
        TcpStream::connect(("127.0.0.1", rig.port)).await?,
    ];
    // The silent ones lose their places after the time for a head.
    assert_eq!(answer(rig.http.get(rig.url("/healthz"))).await?.0, 200);
    drop(idle);
    Ok(())
}
