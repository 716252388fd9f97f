//! Simulated phones and the published client library write to each other.

use anyhow::{Context as _, Result};
use loong_tests::sim_client::Wait;
use loong_tests::wa_sim::phone::content::{Content, Reference, Wrapper};
use loong_tests::wa_sim::phone::send::Letter;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_pairs_by_qr_and_chats_with_a_phone() -> Result<()> {
    let world = World::start(11).await?;
    let friend = world.phone("Friend", false).await?;
    let (mut client, own) = world.linked("Me").await?;

    let sent = world.sim.send_text(&friend.number, &own, "hello").await?;
    let got = client.message().await?;
    assert_eq!((got.text().as_str(), &got.id), ("hello", &sent.id));
    let receipts = world.sim.receipts(&friend.number, Wait::until(1)).await?;
    assert!(receipts.entries.iter().any(|receipt| receipt.id == sent.id));

    let id = client.send(&friend.pn, "and back").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(1)).await?;
    let shown = inbox.entries.first().context("nothing shown")?;
    assert_eq!(
        (shown.text.as_str(), &shown.id, shown.shown),
        ("and back", &id, 1)
    );
    // The own phone shows what its companion wrote.
    let own_inbox = world.sim.inbox(&own, Wait::until(2)).await?;
    assert!(
        own_inbox
            .entries
            .iter()
            .any(|seen| seen.id == id && seen.from_me)
    );
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_addresses_by_lid_is_understood() -> Result<()> {
    let world = World::start(12).await?;
    let friend = world.phone("Hidden", true).await?;
    let (mut client, own) = world.linked("Me").await?;

    world
        .sim
        .send_text(&friend.number, &own, "from a lid")
        .await?;
    let got = client.message().await?;
    assert_eq!(
        (got.text().as_str(), got.chat.as_str()),
        ("from a lid", friend.lid.as_str())
    );

    client.send(&got.chat, "to a lid").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(1)).await?;
    let shown = inbox.entries.first().context("nothing shown")?;
    // However it was addressed, the phone knows who wrote.
    assert_eq!(
        (shown.text.as_str(), shown.from.as_str()),
        ("to a lid", format!("{own}@s.whatsapp.net").as_str())
    );
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

/// Something to send, and what it should look like: kind and text.
type Sample = (Content, Wrapper, &'static str, &'static str);

/// What refers to an earlier message `target`, in a chat of `own`.
fn references(target: &Reference, own: &str) -> Vec<Sample> {
    let (target, plain) = (|| target.clone(), Wrapper::None);
    let quoting = Content::Text {
        text: "quoting".to_owned(),
        extended: true,
        quote: Some(target()),
        mentions: vec![format!("{own}@s.whatsapp.net")],
    };
    let (text, emoji) = ("second".to_owned(), "+".to_owned());
    let edit = Content::Edit {
        target: target(),
        text,
    };
    let reaction = Content::Reaction {
        target: target(),
        emoji,
    };
    let revoke = Content::Revoke { target: target() };
    vec![
        (quoting, plain, "text", "quoting"),
        (edit, plain, "edit", "second"),
        (reaction, plain, "reaction", "+"),
        (revoke, plain, "revoke", ""),
    ]
}

/// Everything that stands for itself.
fn attachments() -> Vec<Sample> {
    let owned = str::to_owned;
    let image = |caption| Content::Image {
        caption: Some(owned(caption)),
    };
    let (file_name, caption) = (owned("a.pdf"), Some(owned("read this")));
    let document = Content::Document { file_name, caption };
    let name = Some(owned("here"));
    let location = Content::Location {
        latitude: 1.5,
        longitude: -2.5,
        name,
    };
    let (name, number) = (owned("Ann"), owned("15550001111"));
    let contact = Content::Contact { name, number };
    let (question, options) = (owned("when?"), vec![owned("now"), owned("later")]);
    let poll = Content::Poll { question, options };
    let (video, voice) = (
        Content::Video { caption: None },
        Content::Voice { seconds: 3 },
    );
    let plain = Wrapper::None;
    vec![
        (
            Content::text("vanishing"),
            Wrapper::Ephemeral,
            "text",
            "vanishing",
        ),
        (image("once"), Wrapper::ViewOnceV2, "image", "once"),
        (image("a picture"), plain, "image", "a picture"),
        (video, plain, "video", ""),
        (voice, plain, "audio", ""),
        (
            document,
            Wrapper::DocumentWithCaption,
            "document",
            "read this",
        ),
        (Content::Sticker, plain, "sticker", ""),
        (location, plain, "location", "here"),
        (contact, plain, "contact", "Ann"),
        (poll, plain, "poll", "when?"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_content_arrives() -> Result<()> {
    let world = World::start(13).await?;
    let friend = world.phone("Friend", false).await?;
    let (mut client, own) = world.linked("Me").await?;
    let first = world.sim.send_text(&friend.number, &own, "first").await?.id;
    let target = Reference {
        id: first,
        from_me: true,
        author: Some(friend.pn.clone()),
        text: Some("first".to_owned()),
    };
    assert_eq!(client.message().await?.text(), "first");
    for (content, wrapper, kind, shows) in
        attachments().into_iter().chain(references(&target, &own))
    {
        let letter = Letter {
            wrapper,
            ..Letter::from(content)
        };
        let id = world.sim.send(&friend.number, &own, &letter).await?.id;
        let got = client
            .message()
            .await
            .with_context(|| format!("{kind} did not arrive"))?;
        assert_eq!(
            (got.id.as_str(), got.kind(), got.text().as_str()),
            (id.as_str(), kind, shows)
        );
    }
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_sessions_are_repaired_and_nothing_is_shown_twice() -> Result<()> {
    let world = World::start(14).await?;
    let friend = world.phone("Friend", false).await?;
    let (mut client, own) = world.linked("Me").await?;
    world.sim.send_text(&friend.number, &own, "one").await?;
    assert_eq!(client.message().await?.text(), "one");
    client.send(&friend.pn, "two").await?;
    world.sim.inbox(&friend.number, Wait::until(1)).await?;

    // The phone cannot open the next one, asks, and gets it again.
    world
        .sim
        .forget_session(&friend.number, &format!("{own}:1@s.whatsapp.net"))
        .await?;
    let id = client.send(&friend.pn, "three").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(2)).await?;
    let shown = inbox.entries.last().context("nothing shown")?;
    assert_eq!(
        (&shown.id, shown.text.as_str(), shown.shown),
        (&id, "three", 1)
    );
    let refusals = world.sim.refusals(&friend.number, Wait::not()).await?;
    assert!(
        refusals
            .entries
            .iter()
            .any(|refusal| refusal.what == "decrypt")
    );

    // The same id again is received again and not shown again.
    let letter = Letter {
        id: Some("3EB0SAME".to_owned()),
        ..Letter::text("again")
    };
    for _ in 0..2 {
        world.sim.send(&own, &friend.number, &letter).await?;
    }
    world.sim.send_text(&own, &friend.number, "last").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(4)).await?;
    let same: Vec<_> = inbox
        .entries
        .iter()
        .filter(|seen| seen.id == "3EB0SAME")
        .collect();
    assert_eq!(same.len(), 1);
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_phone_missed_is_delivered_when_it_is_back() -> Result<()> {
    let world = World::start(15).await?;
    let friend = world.phone("Friend", false).await?;
    let (client, _own) = world.linked("Me").await?;
    world.sim.set_online(&friend.number, false).await?;
    let id = client.send(&friend.pn, "while away").await?;
    world.sim.set_online(&friend.number, true).await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(1)).await?;
    assert!(inbox.entries.iter().any(|seen| seen.id == id));
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_repair_each_other_and_see_reading_and_typing() -> Result<()> {
    let world = World::start(16).await?;
    let (ann, ben) = (
        world.phone("Ann", false).await?,
        world.phone("Ben", true).await?,
    );
    for (from, to, text) in [(&ann, &ben, "one"), (&ben, &ann, "two")] {
        world.sim.send_text(&from.number, &to.number, text).await?;
        world.sim.inbox(&to.number, Wait::until(1)).await?;
    }
    // Ben's phone is new, so to say: Ann's next message makes no sense to it.
    world.sim.forget_session(&ben.number, &ann.pn).await?;
    let id = world
        .sim
        .send_text(&ann.number, &ben.number, "three")
        .await?
        .id;
    let inbox = world.sim.inbox(&ben.number, Wait::until(2)).await?;
    let shown = inbox.entries.last().context("nothing shown")?;
    assert_eq!(
        (&shown.id, shown.text.as_str(), shown.shown),
        (&id, "three", 1)
    );

    world
        .sim
        .read(&ben.number, &ann.number, None, &[&id])
        .await?;
    let is_read = |kind: &str| kind == "read";
    let receipts = world.sim.receipts(&ann.number, Wait::until(4)).await?;
    assert!(
        receipts
            .entries
            .iter()
            .any(|receipt| receipt.id == id && is_read(&receipt.kind))
    );
    world.sim.typing(&ben.number, &ann.number, true).await?;
    let typing = world.sim.typing_seen(&ann.number, Wait::until(1)).await?;
    assert_eq!(
        typing.entries.first().map(|seen| seen.state.as_str()),
        Some("composing")
    );
    world.server.shutdown().await;
    Ok(())
}
