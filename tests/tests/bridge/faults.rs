//! Each way in which the server or the network can fail, and what a person sees:
//! the state, its cause, the advice, the answer of the contract.

use std::time::Duration;

use anyhow::ensure;
use loong_tests::{
    harness::{Bridge, Consumer, World, WorldOptions},
    wa_sim::{faults::Fault, phone::send::Letter},
};

use crate::SOON;

const SMALL: WorldOptions = WorldOptions { seed: 5, people: 1 };

/// What follows a fault.
struct Expected {
    /// The state it leads to.
    state: &'static str,
    /// A word of the cause.
    cause: &'static str,
    /// A word of the advice; empty where none is needed.
    advice: &'static str,
    /// Whether the session comes back by itself.
    recovers: bool,
    /// The status of `receive_batch` in that state.
    receive: u16,
}

const TRANSIENT: Expected = Expected {
    state: "backoff",
    cause: "",
    advice: "",
    recovers: true,
    receive: 200,
};

async fn online(world: &World) -> anyhow::Result<Bridge> {
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    Ok(bridge)
}

async fn check(fault: Fault, expected: Expected) -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let mut bridge = online(&world).await?;
    world.sim.hub().inject(Some(world.device.clone()), fault);
    observe(&world, &mut bridge, &expected).await?;
    let (code, _log) = bridge.stop().await?;
    ensure!(
        code == Some(0),
        "a stopped bridge exits with 0, not {code:?}"
    );
    Ok(())
}

/// A fault that meets a login: the connection is cut, the next login refused.
async fn check_login(fault: Fault, expected: Expected) -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let mut bridge = online(&world).await?;
    let device = Some(world.device.clone());
    world.sim.hub().inject(device.clone(), fault);
    world.sim.hub().inject(device, Fault::Drop);
    observe(&world, &mut bridge, &expected).await?;
    Ok(())
}

async fn observe(world: &World, bridge: &mut Bridge, expected: &Expected) -> anyhow::Result<()> {
    let event = bridge.state(expected.state).await?;
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    ensure!(text("cause").contains(expected.cause), "{event}");
    ensure!(text("advice").contains(expected.advice), "{event}");
    let consumer = Consumer::new(bridge.url())?;
    let answer = consumer
        .call("receive_batch", serde_json::json!({}))
        .await?;
    ensure!(answer.status == expected.receive, "{answer:?}");
    if expected.receive != 200 {
        let error = answer.body["error"].as_str().unwrap_or_default();
        ensure!(
            error.contains(expected.advice),
            "the error tells the next step: {error}"
        );
    }
    if expected.recovers {
        world.sim.hub().clear_faults(Some(world.device.clone()));
        bridge.state("online").await?;
        world.people[0].send(&world.own_number, &Letter::text("after the fault"))?;
        ensure!(consumer.take(1, SOON).await?[0]["text"] == "after the fault");
    }
    Ok(())
}

macro_rules! fault {
    ($name:ident, $check:ident, $fault:expr, $expected:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> anyhow::Result<()> {
            $check($fault, $expected).await
        }
    };
}

fault!(a_cut_connection_is_reopened, check, Fault::Drop, TRANSIENT);
fault!(
    a_server_that_goes_away_is_waited_for,
    check,
    Fault::StreamError { code: 503 },
    Expected {
        cause: "503",
        ..TRANSIENT
    }
);
fault!(
    a_restart_that_the_server_asks_for_is_normal,
    check,
    Fault::StreamError { code: 515 },
    Expected {
        state: "connecting",
        ..TRANSIENT
    }
);
fault!(
    a_stream_that_ends_is_reopened,
    check,
    Fault::StreamEnd,
    TRANSIENT
);
fault!(
    an_unlinked_device_stops_and_says_how_to_link_again,
    check,
    Fault::DeviceRemoved,
    Expected {
        state: "logged_out",
        cause: "no longer linked",
        advice: "restart",
        recovers: false,
        receive: 503,
    }
);
fault!(
    a_replaced_session_does_not_fight,
    check,
    Fault::Replaced,
    Expected {
        state: "replaced",
        cause: "took this session over",
        advice: "stop the other client",
        recovers: false,
        receive: 503,
    }
);
fault!(
    an_outdated_version_has_its_own_state,
    check_login,
    Fault::FailLogin {
        reason: 405,
        times: None,
        expire: None
    },
    Expected {
        state: "outdated",
        cause: "version",
        advice: "update loong",
        recovers: false,
        receive: 503,
    }
);
fault!(
    a_locked_account_is_not_hammered,
    check_login,
    Fault::FailLogin {
        reason: 403,
        times: None,
        expire: None
    },
    Expected {
        state: "banned",
        cause: "locked",
        advice: "on the phone",
        recovers: false,
        receive: 503,
    }
);
fault!(
    a_temporary_ban_is_waited_out,
    check_login,
    Fault::FailLogin {
        reason: 402,
        times: Some(1),
        expire: Some(2)
    },
    Expected {
        state: "banned",
        cause: "temporarily",
        advice: "on the phone",
        recovers: true,
        receive: 503,
    }
);
fault!(
    a_login_refused_as_unknown_archives_the_credentials,
    check_login,
    Fault::FailLogin {
        reason: 401,
        times: None,
        expire: None
    },
    Expected {
        state: "logged_out",
        cause: "no longer linked",
        advice: "restart",
        recovers: false,
        receive: 503,
    }
);
fault!(
    a_server_error_at_login_backs_off,
    check_login,
    Fault::FailLogin {
        reason: 503,
        times: Some(1),
        expire: None
    },
    Expected {
        cause: "",
        ..TRANSIENT
    }
);
fault!(
    a_socket_that_swallows_everything_is_found_by_asking,
    check,
    Fault::BlackHole { for_ms: None },
    Expected {
        cause: "stopped answering",
        ..TRANSIENT
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_the_server_refuses_says_why() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let bridge = online(&world).await?;
    let device = Some(world.device.clone());
    world.sim.hub().inject(
        device,
        Fault::RefuseSend {
            error: 463,
            times: None,
        },
    );
    let consumer = Consumer::new(bridge.url())?;
    let to = format!("contact:+{}", world.people[0].number());
    let answer = consumer.send(&to, "hello stranger", Some("k")).await?;
    ensure!(!(200..300).contains(&answer.status), "{answer:?}");
    let error = answer.body["error"].as_str().unwrap_or_default();
    ensure!(error.contains("463"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_ack_is_reported_as_uncertain_and_a_repeat_is_shown_once() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let bridge = online(&world).await?;
    let device = Some(world.device.clone());
    world
        .sim
        .hub()
        .inject(device.clone(), Fault::WithholdAcks { times: None });
    let consumer = Consumer::new(bridge.url())?;
    let ann = &world.people[0];
    // A receipt would prove that the message arrived, ack or not.
    ann.go_offline();
    let to = format!("contact:+{}", ann.number());
    let started = std::time::Instant::now();
    let first = consumer.send(&to, "did it arrive?", Some("key-1")).await?;
    ensure!(first.status == 504, "{first:?}");
    ensure!(
        started.elapsed() < Duration::from_secs(8),
        "the original client waits 8 s"
    );
    world.sim.hub().clear_faults(device);
    ann.go_online()?;
    let second = consumer.send(&to, "did it arrive?", Some("key-1")).await?;
    ensure!(second.status == 200, "{second:?}");
    ensure!(crate::shown(ann, "did it arrive?").await?.shown == 1);
    Ok(())
}

/// Faults that a person should not notice: the session stays, every message comes
/// once.
async fn check_unnoticed(fault: Fault) -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let bridge = online(&world).await?;
    let target = match fault {
        // Clocks are wrong for everybody.
        Fault::ClockSkew { .. } => None,
        _ => Some(world.device.clone()),
    };
    world.sim.hub().inject(target, fault);
    let consumer = Consumer::new(bridge.url())?;
    let mut written = Vec::new();
    for n in 0..4 {
        let text = format!("message {n}");
        world.people[0].send(&world.own_number, &Letter::text(text.clone()))?;
        written.push(text);
    }
    let mut texts: Vec<String> = consumer
        .take(4, SOON)
        .await?
        .iter()
        .filter_map(|m| m["text"].as_str().map(str::to_owned))
        .collect();
    texts.sort();
    ensure!(texts == written, "{texts:?}");
    let to = format!("contact:+{}", world.people[0].number());
    let answer = consumer.send(&to, "still here", Some("k")).await?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(crate::shown(&world.people[0], "still here").await?.shown == 1);
    let more = consumer.receive(5, Duration::ZERO).await?;
    ensure!(more.is_empty(), "nothing comes twice: {more:?}");
    Ok(())
}

macro_rules! unnoticed {
    ($name:ident, $fault:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> anyhow::Result<()> {
            check_unnoticed($fault).await
        }
    };
}

unnoticed!(duplicates_are_stored_once, Fault::Duplicate { times: 4 });
unnoticed!(overtaken_messages_all_arrive, Fault::Reorder { times: 1 });
unnoticed!(a_slow_line_only_takes_longer, Fault::Delay { ms: 200 });
unnoticed!(slow_answers_only_take_longer, Fault::SlowIqs { ms: 500 });
unnoticed!(
    a_wrong_clock_does_not_matter,
    Fault::ClockSkew { seconds: -86_400 }
);

fault!(
    too_many_connections_back_off,
    check,
    Fault::StreamError { code: 429 },
    Expected {
        cause: "429",
        ..TRANSIENT
    }
);
fault!(
    a_connection_cut_after_some_frames_is_reopened,
    check,
    Fault::DropAfter {
        frames: 1,
        direction: loong_tests::wa_sim::faults::Direction::Any
    },
    TRANSIENT
);
fault!(
    connections_cut_after_the_handshake_are_tried_again,
    check_login,
    Fault::FailConnect { times: 1 },
    TRANSIENT
);
