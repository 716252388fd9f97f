//! Running, being asked, being stopped.

use std::{io::Read as _, process::Stdio, time::Instant};

use crate::harness::{Home, finish};

#[test]
fn without_a_configuration_it_listens_and_says_that_all_waits_in_quarantine() {
    let home = Home::new();
    let bridge = home.bridge(&[]);
    let backoff = bridge.state("backoff");
    let cause = backoff["cause"].as_str().unwrap_or_default();
    assert!(
        cause.contains("127.0.0.1:1"),
        "says where it cannot get to: {backoff}"
    );
    let note = home.auth_dir().join("bridge.json");
    assert!(note.exists());
    let ended = bridge.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("waits in quarantine"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.ends_with("stopped\n"), "{}", ended.stderr);
    assert!(!note.exists());
}

#[test]
fn both_signals_end_in_order_within_5_s() {
    for name in ["INT", "TERM"] {
        let home = Home::new();
        let bridge = home.bridge(&["--allow", "*"]);
        let asked = Instant::now();
        bridge.signal(name);
        bridge.event("stopped");
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert!(asked.elapsed().as_secs() < 5, "{name}");
        assert!(
            ended.stderr.contains("allowed:  everyone"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let home = Home::new();
    let bridge = home.bridge(&[]);
    // Both signals are pending when the process comes to itself again.
    for name in ["STOP", "INT", "TERM", "CONT"] {
        bridge.signal(name);
    }
    let ended = bridge.ended();
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
}

#[test]
fn a_bridge_that_crashed_leaves_nothing_in_the_way() {
    let home = Home::new();
    let bridge = home.bridge(&[]);
    bridge.signal("KILL");
    assert_eq!(bridge.ended().code, None);
    let status = home.run(&["whatsapp-personal", "session", "status"]);
    assert_eq!(status.code, Some(20), "{}", status.stderr);
    assert_eq!(home.bridge(&[]).stop().code, Some(0));
}

#[test]
fn a_second_bridge_of_the_same_account_ends_with_11_and_names_the_first() {
    let home = Home::new();
    let first = home.bridge(&[]);
    let pid = first.pid().to_string();
    let second = home.run(&[
        "whatsapp-personal",
        "bridge",
        "run",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(second.code, Some(11), "{}", second.stderr);
    assert!(second.stderr.contains(&pid), "{}", second.stderr);
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn the_session_is_asked_about_through_the_bridge() {
    let home = Home::new();
    let status = ["whatsapp-personal", "session", "status"];
    let before = home.run(&status);
    assert_eq!(before.code, Some(20), "{}", before.stderr);
    assert!(
        before.stderr.contains("next: start it"),
        "{}",
        before.stderr
    );

    let bridge = home.bridge(&["--allow", "+15551234567"]);
    let text = home.run(&status);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    assert!(
        text.stdout.starts_with("account:  default\nstate:    "),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("allowed:  1 named"), "{}", text.stdout);
    let json = home.run(&[&status[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["accounts"][0]["configured_account_id"], "default");
    let unlink = home.run(&["whatsapp-personal", "session", "unlink"]);
    assert_eq!(
        unlink.code,
        Some(21),
        "nothing is linked: {}",
        unlink.stderr
    );
    let reconnect = home.run(&["whatsapp-personal", "session", "reconnect"]);
    assert_eq!(reconnect.code, Some(0), "{}", reconnect.stderr);

    bridge.stop();
    let after = home.run(&status);
    assert_eq!(after.code, Some(20), "{}", after.stderr);
    assert!(
        after.stderr.contains("no bridge answers at 127.0.0.1:"),
        "{}",
        after.stderr
    );
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_bridge() {
    let home = Home::new();
    let run = [
        "whatsapp-personal",
        "bridge",
        "run",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut child = home.command(&run).spawn().expect("the binary starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut first = [0; 8];
    stdout.read_exact(&mut first).expect("it says something");
    drop(stdout);
    let status = ["whatsapp-personal", "session", "status"];
    let note = home.auth_dir().join("bridge.json");
    assert!(note.exists(), "written before the first line");
    assert_eq!(home.run(&status).code, Some(0));
    crate::harness::signal(child.id(), "TERM");
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        !ended.stderr.to_lowercase().contains("pipe"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_closed_pipe_is_silent_for_commands_that_print() {
    let home = Home::new();
    let mut child = home
        .command(&["--help"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let ended = finish(child);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_baileys_session_is_explained_and_left_alone() {
    let home = Home::new();
    let credentials = r#"{"noiseKey":{"private":"x"},"registrationId":7}"#;
    std::fs::create_dir_all(home.auth_dir()).expect("a folder");
    let file = home.auth_dir().join("creds.json");
    std::fs::write(&file, credentials).expect("a file");
    let ended = home.bridge(&[]).stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("holds a session of the Node bridge (Baileys)"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        std::fs::read_to_string(&file).expect("still there"),
        credentials
    );
}

#[test]
fn the_configuration_decides_where_to_listen_and_odd_keys_are_mentioned() {
    let home = Home::new();
    std::fs::create_dir_all(home.path().join(".loong")).expect("a folder");
    home.write(
        ".loong/config.toml",
        "[whatsapp_personal]\nbridge_url = \"http://127.0.0.1:0/contract\"\nauth_dir = \"here\"\n\
         alowed_chat_ids = [\"*\"]\n[provider]\nkind = \"x\"\n",
    );
    let run = ["whatsapp-personal", "bridge", "run", "--events", "ndjson"];
    let mut child = home.command(&run).spawn().expect("the binary starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).expect("an event");
    let listening: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(listening["event"], "listening");
    let url = listening["url"].as_str().unwrap_or_default();
    assert!(url.ends_with("/contract"), "{url}");
    crate::harness::signal(child.id(), "TERM");
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("did you mean `allowed_chat_ids`?"),
        "{}",
        ended.stderr
    );
    assert!(home.path().join(".loong/here/sled").exists());
}
