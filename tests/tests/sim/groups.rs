use anyhow::Result;
use whatsapp_rust::wacore_binary::Jid;

use crate::world::{World, shows, write};

async fn group_chat(by_lid: bool) -> Result<()> {
    let world = World::new().await?;
    let (mut ada, mut bob) = (
        world.linked("Ada", by_lid).await?,
        world.linked("Bob", by_lid).await?,
    );
    let cleo = world.phone("Cleo", by_lid)?;
    let members = [bob.phone.number().to_owned(), cleo.number().to_owned()];
    let group: Jid = world
        .hub()
        .create_group(ada.phone.number(), "Friends", &members, by_lid)?;
    ada.client.send(&group, "hello all").await?;
    assert_eq!(bob.client.text().await?, "hello all");
    shows(&cleo, "hello all").await?;
    write(&cleo, &group.to_string(), "hello from the phone")?;
    assert_eq!(ada.client.text().await?, "hello from the phone");
    assert_eq!(bob.client.text().await?, "hello from the phone");
    bob.client.send(&group, "hello back").await?;
    assert_eq!(ada.client.text().await?, "hello back");
    shows(&cleo, "hello back").await?;
    ada.client.stop().await;
    bob.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_talks_by_lid() -> Result<()> {
    group_chat(true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_talks_by_number() -> Result<()> {
    group_chat(false).await
}
