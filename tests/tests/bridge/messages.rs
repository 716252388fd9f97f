//! Messages in both directions.

use anyhow::ensure;
use loong_tests::{
    harness::{Consumer, World, WorldOptions},
    wa_sim::phone::send::Letter,
};

use crate::{SOON, shown};

const SMALL: WorldOptions = WorldOptions { seed: 7, people: 1 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_comes_in_and_the_answer_goes_out() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let ann = &world.people[0];
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    let consumer = Consumer::new(bridge.url())?;

    ann.send(&world.own_number, &Letter::text("hi there"))?;
    let message = consumer.take(1, SOON).await?.remove(0);
    assert_eq!(message["text"], "hi there");
    let route = format!("+{}", ann.number());
    assert_eq!(
        message["reply_target"]["id"],
        format!("whatsapp-personal:default:contact:{route}")
    );
    let answer = consumer
        .reply(&message["reply_target"], "hello, how can I help?")
        .await?;
    ensure!(answer.status == 200, "{answer:?}");
    assert_eq!(shown(ann, "hello, how can I help?").await?.shown, 1);

    // The same key again is the same answer, and nothing more on the phone.
    let again = consumer
        .reply(&message["reply_target"], "hello, how can I help?")
        .await?;
    assert_eq!(
        again.payload()["message_id"],
        answer.payload()["message_id"]
    );
    ann.send(&world.own_number, &Letter::text("thanks"))?;
    consumer.take(1, SOON).await?;
    assert_eq!(
        shown(ann, "hello, how can I help?").await?.times_received,
        1
    );

    let (code, _log) = bridge.stop().await?;
    assert_eq!(code, Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_while_the_bridge_is_down_is_delivered_after_the_restart()
-> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let ann = &world.people[0];
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    ann.send(&world.own_number, &Letter::text("first, not taken"))?;
    let consumer = Consumer::new(bridge.url())?;
    let leased = consumer.receive(1, SOON).await?;
    assert_eq!(leased[0]["text"], "first, not taken");
    bridge.kill().await?;

    for n in 0..20 {
        ann.send(&world.own_number, &Letter::text(format!("offline {n}")))?;
    }
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    ensure!(
        !bridge.seen().iter().any(|event| event["event"] == "qr"),
        "a linked session asks for no QR code"
    );
    let consumer = Consumer::new(bridge.url())?;
    let texts: Vec<String> = consumer
        .take(21, SOON)
        .await?
        .iter()
        .filter_map(|m| m["text"].as_str().map(str::to_owned))
        .collect();
    let mut expected = vec!["first, not taken".to_owned()];
    expected.extend((0..20).map(|n| format!("offline {n}")));
    assert_eq!(texts, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_allowlist_messages_wait_in_quarantine() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let ann = &world.people[0];
    let mut bridge = world.bridge_with(&[]).start().await?;
    bridge.state("online").await?;
    ann.send(&world.own_number, &Letter::text("may I?"))?;
    // The receipt shows that the bridge has it.
    let mut changes = ann.changes();
    while ann.log().receipts.is_empty() {
        tokio::time::timeout(SOON, changes.changed()).await??;
    }
    let consumer = Consumer::new(bridge.url())?;
    let none = consumer.receive(5, std::time::Duration::ZERO).await?;
    assert!(none.is_empty(), "{none:?}");
    bridge.stop().await?;

    let mut bridge = world
        .bridge_with(&["--allow", &format!("+{}", ann.number())])
        .start()
        .await?;
    bridge.state("online").await?;
    let consumer = Consumer::new(bridge.url())?;
    assert_eq!(consumer.take(1, SOON).await?[0]["text"], "may I?");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_inbox_pauses_the_session_and_loses_nothing() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let ann = &world.people[0];
    let config = world.home().join("loong.toml");
    std::fs::write(
        &config,
        "[whatsapp_personal]\nenabled = true\nmax_pending = 3\n\
         bridge_url = \"http://127.0.0.1:0/bridge\"\nallowed_chat_ids = [\"*\"]\n",
    )?;
    let config = config.display().to_string();
    let setup = world.bridge_with(&["--config", &config]);
    let mut bridge = setup.arg("--listen").arg("127.0.0.1:0").start().await?;
    bridge.state("online").await?;
    for n in 0..12 {
        ann.send(&world.own_number, &Letter::text(format!("message {n}")))?;
    }
    let paused = bridge.state("paused").await?;
    assert!(
        paused["cause"].as_str().is_some_and(|c| c.contains("full")),
        "{paused}"
    );

    // A consumer that answers before it acknowledges, as the original does.
    let consumer = Consumer::new(bridge.url())?;
    let mut answered = std::collections::BTreeSet::new();
    let work = async {
        while answered.len() < 12 {
            let answer = consumer
                .call("receive_batch", serde_json::json!({}))
                .await?;
            for message in answer.payload()["messages"]
                .as_array()
                .cloned()
                .unwrap_or_default()
            {
                let text = message["text"].as_str().unwrap_or_default().to_owned();
                let reply = consumer
                    .reply(&message["reply_target"], &format!("re: {text}"))
                    .await?;
                if reply.status == 200 {
                    consumer.ack(&message).await?;
                    answered.insert(text);
                }
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(SOON * 3, work).await??;
    for n in 0..12 {
        assert_eq!(shown(ann, &format!("re: message {n}")).await?.shown, 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_read_and_answered() -> anyhow::Result<()> {
    let world = World::start(WorldOptions { seed: 9, people: 2 }).await?;
    let (ann, ben) = (&world.people[0], &world.people[1]);
    let members = [world.own_number.clone(), ben.number().to_owned()];
    for by_lid in [false, true] {
        let hub = world.sim.hub();
        let group = hub
            .create_group(ann.number(), "Friends", &members, by_lid)?
            .to_string();
        let mut bridge = world.bridge().start().await?;
        bridge.state("online").await?;
        let consumer = Consumer::new(bridge.url())?;
        let question = format!("who is in? {by_lid}");
        ann.send(&group, &Letter::text(question.clone()))?;
        let message = consumer.take(1, SOON).await?.remove(0);
        assert_eq!(message["text"], question);
        assert_eq!(message["session"]["conversation_id"], group);
        let writer = format!("{}@s.whatsapp.net", ann.number());
        assert_eq!(message["session"]["participant_id"], writer);
        let answer_text = format!("me {by_lid}");
        let answer = consumer
            .reply(&message["reply_target"], &answer_text)
            .await?;
        ensure!(answer.status == 200, "{answer:?}");
        assert_eq!(shown(ann, &answer_text).await?.shown, 1);
        assert_eq!(shown(ben, &answer_text).await?.shown, 1);
        bridge.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_to_self_is_mail_and_what_the_owner_writes_to_others_is_not() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let ann = &world.people[0];
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    let consumer = Consumer::new(bridge.url())?;
    world
        .owner
        .send(ann.number(), &Letter::text("from the owner to Ann"))?;
    shown(ann, "from the owner to Ann").await?;
    world
        .owner
        .send(&world.own_number, &Letter::text("remember the milk"))?;
    let message = consumer.take(1, SOON).await?.remove(0);
    assert_eq!(message["text"], "remember the milk");
    assert_eq!(message["delivery"]["note_to_self"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_that_is_known_by_hidden_id_is_one_person() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let hidden = world
        .book
        .create(loong_tests::wa_sim::phone::PhoneOptions {
            push_name: "Hidden".to_owned(),
            by_lid: true,
            ..Default::default()
        })?;
    let allow = format!("+{}", hidden.number());
    let mut bridge = world.bridge_with(&["--allow", &allow]).start().await?;
    bridge.state("online").await?;
    let consumer = Consumer::new(bridge.url())?;
    hidden.send(&world.own_number, &Letter::text("from a hidden id"))?;
    let message = consumer.take(1, SOON).await?.remove(0);
    let target = format!("whatsapp-personal:default:contact:{allow}");
    assert_eq!(message["reply_target"]["id"], target);
    let answer = consumer
        .reply(&message["reply_target"], "to a number")
        .await?;
    ensure!(answer.status == 200, "{answer:?}");
    assert_eq!(shown(&hidden, "to a number").await?.shown, 1);
    Ok(())
}
