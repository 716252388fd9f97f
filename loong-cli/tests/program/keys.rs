//! The key that seals the session.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::harness::Home;

const RUN: [&str; 5] = [
    "whatsapp-personal",
    "bridge",
    "run",
    "--listen",
    "127.0.0.1:0",
];
const ROTATE: [&str; 4] = ["whatsapp-personal", "session", "key", "rotate"];
const KEY: &str = ".loong/keys/whatsapp-personal-default.key";

#[test]
fn a_key_is_made_outside_of_the_session_and_only_for_its_owner() {
    let home = Home::new();
    assert_eq!(home.bridge(&[]).stop().code, Some(0));
    let meta = fs::metadata(home.path().join(KEY)).expect("the key");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(home.auth_dir()).expect("the folder");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_lost_or_wrong_key_ends_with_14_and_changes_nothing() {
    let home = Home::new();
    assert_eq!(home.bridge(&[]).stop().code, Some(0));
    let key = home.path().join(KEY);
    let right = fs::read(&key).expect("the key");

    fs::remove_file(&key).expect("removed");
    let lost = home.run(&RUN);
    assert_eq!(lost.code, Some(14), "{}", lost.stderr);
    assert!(
        lost.stderr.contains("restore the key file from a backup"),
        "{}",
        lost.stderr
    );
    assert!(!key.exists(), "no new key hides the loss");

    fs::write(&key, "00".repeat(32)).expect("another key");
    let open = home.run(&RUN);
    assert_eq!(open.code, Some(14), "{}", open.stderr);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
    let wrong = home.run(&RUN);
    assert_eq!(wrong.code, Some(14), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("nothing was changed"),
        "{}",
        wrong.stderr
    );

    fs::write(&key, right).expect("the right key");
    assert_eq!(home.bridge(&[]).stop().code, Some(0));
}

#[test]
fn a_rotation_needs_a_stopped_bridge_and_leaves_a_working_one() {
    let home = Home::new();
    let none = home.run(&ROTATE);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    let bridge = home.bridge(&[]);
    let running = home.run(&ROTATE);
    assert_eq!(running.code, Some(11), "{}", running.stderr);
    bridge.stop();

    let key = home.path().join(KEY);
    let before = fs::read(&key).expect("the key");
    let rotated = home.run(&ROTATE);
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    assert!(
        rotated.stdout.contains("make a new backup"),
        "{}",
        rotated.stdout
    );
    assert_ne!(fs::read(&key).expect("the key"), before);
    assert_eq!(home.bridge(&[]).stop().code, Some(0));

    fs::write(&key, before).expect("the old key");
    let retired = home.run(&RUN);
    assert_eq!(retired.code, Some(14), "{}", retired.stderr);
}

#[test]
fn a_systemd_credential_comes_first() {
    let home = Home::new();
    let credentials = home.path().join("credentials");
    fs::create_dir_all(&credentials).expect("a folder");
    fs::write(credentials.join("loong-master-key"), "07".repeat(32)).expect("a key");
    let child = home
        .command(&[&RUN[..], &["--events", "ndjson"]].concat())
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .spawn();
    let mut child = child.expect("the binary starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).expect("an event");
    assert!(line.contains("\"listening\""), "{line}");
    crate::harness::signal(child.id(), "TERM");
    assert_eq!(crate::harness::finish(child).code, Some(0));
    assert!(!home.path().join(KEY).exists());
}
