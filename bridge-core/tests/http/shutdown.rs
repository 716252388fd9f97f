//! The end of a server, and its Unix socket.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use bridge_core::server::{BridgeServer, ServerError};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::rig::{PATIENCE, Result, Rig, answer, envelope, options, text_to};

#[tokio::test]
async fn long_polls_answer_and_the_port_is_free() -> Result {
    let rig = Rig::start().await?;
    let request = rig.post(&envelope("receive_batch", json!({"wait_ms": 25_000})));
    let waiting =
        tokio::spawn(async move { answer(request).await.map_err(|error| error.to_string()) });
    rig.call("complete_batch", json!({})).await?;
    rig.stop.cancel();
    timeout(PATIENCE, rig.server).await???;
    // It was in before the shutdown, or was refused at the door.
    if let Ok((status, body)) = timeout(PATIENCE, waiting).await?? {
        assert_eq!(
            (status.as_u16(), &body["payload"]["messages"]),
            (200, &json!([]))
        );
    }
    let mut again = options();
    again.listen.set_port(rig.port);
    BridgeServer::bind(again).await?;
    Ok(())
}

#[tokio::test]
async fn a_running_send_is_answered_before_the_end() -> Result {
    let rig = Rig::start().await?;
    let driver = Arc::clone(&rig.account().driver);
    driver.hold();
    let payload = text_to(
        "whatsapp-personal:default:contact:+15551234567",
        None,
        "ping",
    );
    let request = rig.post(&envelope("send_message", payload));
    let sending =
        tokio::spawn(async move { answer(request).await.map_err(|error| error.to_string()) });
    driver.wait_sent(1).await?;
    rig.stop.cancel();
    driver.release();
    let (status, _) = timeout(PATIENCE, sending).await???;
    assert_eq!(status, 200);
    timeout(PATIENCE, rig.server).await???;
    Ok(())
}

#[tokio::test]
async fn what_does_not_finish_is_cut() -> Result {
    let rig =
        Rig::with_options(|options| options.limits.shutdown_time = Duration::from_millis(200))
            .await?;
    let driver = Arc::clone(&rig.account().driver);
    driver.hold();
    let payload = text_to(
        "whatsapp-personal:default:contact:+15551234567",
        None,
        "ping",
    );
    let request = rig.post(&envelope("send_message", payload));
    let sending =
        tokio::spawn(async move { answer(request).await.map_err(|error| error.to_string()) });
    driver.wait_sent(1).await?;
    rig.stop.cancel();
    // Less than the 7 s that the send would wait.
    timeout(Duration::from_secs(5), rig.server).await???;
    assert!(timeout(PATIENCE, sending).await??.is_err());
    Ok(())
}

#[tokio::test]
async fn the_unix_socket_is_for_this_user_and_goes_away() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bridge.sock");
    // Left behind by a process that died.
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let socket = path.clone();
    let rig = Rig::with_options(move |options| options.unix_socket = Some(socket)).await?;
    assert_eq!(
        std::fs::metadata(&path)?.permissions().mode() & 0o777,
        0o600
    );
    let mut stream = UnixStream::connect(&path).await?;
    let body = envelope("receive_batch", json!({})).to_string();
    let request = format!(
        "POST /bridge HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answered = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answered)).await??;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    let mut second = options();
    second.unix_socket = Some(path.clone());
    assert!(matches!(
        BridgeServer::bind(second).await,
        Err(ServerError::Socket { .. })
    ));
    rig.stop.cancel();
    timeout(PATIENCE, rig.server).await???;
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_left_alone() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "mine")?;
    let mut options = options();
    options.unix_socket = Some(path.clone());
    assert!(matches!(
        BridgeServer::bind(options).await,
        Err(ServerError::Socket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path)?, "mine");
    Ok(())
}
