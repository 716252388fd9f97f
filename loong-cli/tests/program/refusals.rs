//! What is refused before anything is touched.

use std::net::TcpListener;

use crate::harness::Home;

const RUN: [&str; 3] = ["whatsapp-personal", "bridge", "run"];

/// Runs `bridge run` with these arguments; it must not get as far as a folder.
fn refused(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = home.run(&[&RUN, arguments].concat());
    assert!(
        !home.auth_dir().exists(),
        "{arguments:?} touched the session"
    );
    assert_eq!(ended.stdout, "", "{arguments:?}");
    (ended.code, ended.stderr)
}

#[test]
fn wrong_flags_end_with_2_and_say_what_is_right() {
    let home = Home::new();
    let number = ["--pairing-code", "+1 555 123 4567", "--custom-pairing-code"];
    let cases: [(&[&str], &str); 12] = [
        (
            &["--pairing-code", "0555 123 4567"],
            "include the country code, e.g. --pairing-code +15551234567",
        ),
        (&["--pairing-code-phone", "123"], "3 digits are too few"),
        (
            &[&number[..], &["ABC"]].concat(),
            "a pairing code has 8 characters",
        ),
        (
            &["--custom-pairing-code", "ABCD1234"],
            "--pairing-code <PHONE>",
        ),
        (
            &["--listen", "0.0.0.0:39731"],
            "0.0.0.0 is not a loopback address",
        ),
        (
            &["--listen", "127.0.0.1:0/status"],
            "the bridge uses it for itself",
        ),
        (
            &["--wa-url", "ws://example.com/"],
            "ws:// is only allowed to this machine itself",
        ),
        (&["--wa-url", "http://127.0.0.1/"], "starts with wss://"),
        (&["--wa-version", "latest"], "is not a protocol version"),
        (
            &["--proxy", "ftp://127.0.0.1:1"],
            "http:// and socks5:// work",
        ),
        (&["--events", "xml"], "invalid value 'xml'"),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
    ];
    for (arguments, message) in cases {
        if arguments.contains(&"127.0.0.1:0/status") {
            let ended = home.run(&[&RUN, arguments].concat());
            assert_eq!(ended.code, Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains(message), "{}", ended.stderr);
            std::fs::remove_dir_all(home.path().join(".loong")).expect("tidied up");
            continue;
        }
        let (code, stderr) = refused(&home, arguments);
        assert_eq!(code, Some(2), "{arguments:?}\n{stderr}");
        assert!(stderr.contains(message), "{arguments:?}\n{stderr}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_2_and_names_the_place() {
    let home = Home::new();
    let file = |text: &str| home.write("loong.toml", text);
    for (text, message) in [
        ("[whatsapp_personal\n", "loong.toml:1:19: not valid TOML"),
        (
            "[whatsapp_personal]\nbridge_url = \"http://192.168.1.2:39731/bridge\"\n",
            "192.168.1.2 is not a loopback address",
        ),
        (
            "[whatsapp_personal]\nauth_dir_env = \"$X\"\n",
            "loong.toml:2:16: whatsapp_personal.auth_dir_env",
        ),
        (
            "[whatsapp_personal]\nbridge_access_token = { env = \"GONE\" }\n",
            "the environment variable GONE is not set",
        ),
    ] {
        let path = file(text);
        let (code, stderr) = refused(&home, &["--config", &path]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
    let (code, stderr) = refused(&home, &["--config", "gone.toml"]);
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "error: there is no configuration file gone.toml\n  next: create gone.toml, or leave \
         --config and LOONG_CONFIG_PATH away: a bridge runs without a configuration\n"
    );
    let path = file("[whatsapp_personal.accounts.ops]\n");
    let (code, stderr) = refused(&home, &["--config", &path, "--account", "Other"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("the account `other` is not configured"),
        "{stderr}"
    );
}

#[test]
fn a_wrong_log_format_ends_with_2() {
    let home = Home::new();
    let child = home
        .command(&["whatsapp-personal", "session", "status"])
        .env("LOONG_LOG_FORMAT", "xml")
        .spawn();
    let ended = crate::harness::finish(child.expect("the binary starts"));
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("use compact, pretty or json"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_taken_port_ends_with_10_before_the_store_is_made() {
    let home = Home::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("its address").to_string();
    let arguments = [&RUN[..], &["--listen", &address, "--events", "ndjson"]].concat();
    let ended = home.run(&arguments);
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("{address} is already taken")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("next: "), "{}", ended.stderr);
    let event: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one event");
    assert_eq!(event["event"], "error");
    assert_eq!(event["code"], "port_taken");
    assert_eq!(event["exit"], 10);
    assert!(!home.auth_dir().join("sled").exists());
}

#[test]
fn an_open_token_file_ends_with_12() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let token = home.auth_dir().join("admin.token");
    std::fs::create_dir_all(home.auth_dir()).expect("a folder");
    std::fs::write(&token, "secret").expect("a file");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let ended = home.run(&[&RUN[..], &["--listen", "127.0.0.1:0"]].concat());
    assert_eq!(ended.code, Some(12), "{}", ended.stderr);
    assert!(ended.stderr.contains("chmod 600"), "{}", ended.stderr);
}

#[test]
fn a_session_folder_that_cannot_be_made_is_named() {
    let home = Home::new();
    let file = home.write("file", "");
    let inside = format!("{file}/session");
    let ended = home.run(&[&RUN[..], &["--auth-dir", &inside]].concat());
    assert_eq!(ended.code, Some(13), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with(&format!(
            "error: cannot create the session folder {inside}\n  cause: "
        )),
        "{}",
        ended.stderr
    );
}

#[test]
fn help_lists_every_exit_status_and_shows_examples() {
    let home = Home::new();
    let help = home.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for exit in loong_cli::Exit::ALL {
        let row = format!("{:>3}  {}", exit.code(), exit.meaning());
        assert!(help.stdout.contains(&row), "{row}");
    }
    for arguments in [
        &["whatsapp-personal", "bridge", "run", "--help"][..],
        &["whatsapp-personal", "session", "status", "--help"],
        &["whatsapp-personal", "session", "key", "rotate", "--help"],
    ] {
        assert!(
            home.run(arguments).stdout.contains("Example"),
            "{arguments:?}"
        );
    }
    let bare = home.run(&[]);
    assert_eq!(bare.code, Some(2));
}
