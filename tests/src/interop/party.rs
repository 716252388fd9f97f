//! Whoever can take part in a conversation, whatever it is made of.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;

use super::heard::PATIENCE;
use crate::wa_sim::phone::{Phone, send::Letter};

/// Where a text goes, or came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chat {
    /// The person with this number, digits.
    Person(String),
    /// The group with this JID.
    Group(String),
}

impl Chat {
    pub(super) fn person(number: &str) -> Self {
        Self::Person(number.to_owned())
    }

    /// As clients write it: a JID.
    pub(super) fn jid(&self) -> String {
        match self {
            Self::Person(number) => format!("{number}@s.whatsapp.net"),
            Self::Group(jid) => jid.clone(),
        }
    }

    /// Whether a client that named the chat `jid` meant this one. Persons may be
    /// named by LID, so for them it only must not be a group.
    pub(super) fn is(&self, jid: &str) -> bool {
        match self {
            Self::Person(_) => !jid.ends_with("@g.us"),
            Self::Group(own) => own == jid,
        }
    }
}

/// One side of a conversation.
#[async_trait]
pub(super) trait Party: Send + Sync {
    /// What to call it in a report.
    fn name(&self) -> String;

    /// Writes a text.
    async fn write(&self, to: &Chat, text: &str) -> Result<()>;

    /// Waits until `text` was shown in `chat`; whether as the account's own.
    async fn shown(&self, chat: &Chat, text: &str) -> Result<bool>;

    /// How often `text` was shown so far.
    async fn times(&self, text: &str) -> Result<usize>;
}

#[async_trait]
impl Party for Arc<Phone> {
    fn name(&self) -> String {
        format!("the phone {}", self.number())
    }

    async fn write(&self, to: &Chat, text: &str) -> Result<()> {
        self.send(&to.jid(), &Letter::text(text))?;
        Ok(())
    }

    async fn shown(&self, chat: &Chat, text: &str) -> Result<bool> {
        let found = on_screen(self, chat, text).await;
        let log = self.log();
        // A message that was repaired by asking again would hide a defect.
        ensure!(
            log.refusals.is_empty(),
            "the phone refused something: {:?}",
            log.refusals
        );
        let again = log.receipts.iter().find(|receipt| receipt.kind == "retry");
        ensure!(
            again.is_none(),
            "somebody could not open what the phone sent: {again:?}"
        );
        found
    }

    async fn times(&self, text: &str) -> Result<usize> {
        Ok(self
            .log()
            .view
            .seen()
            .iter()
            .filter(|m| m.text == text)
            .count())
    }
}

/// Waits until `phone` shows `text` in `chat`, however often it had to ask for
/// it; whether as its own.
pub(super) async fn on_screen(phone: &Phone, chat: &Chat, text: &str) -> Result<bool> {
    let mut changes = phone.changes();
    let look = || {
        let log = phone.log();
        let mut seen = log.view.seen().iter();
        let found = seen.find(|m| m.text == text && chat.is(&m.chat));
        found.map(|m| m.from_me)
    };
    let search = async {
        loop {
            match look() {
                Some(from_me) => return anyhow::Ok(from_me),
                None => changes.changed().await?,
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.with_context(|| {
        let log = phone.log();
        format!(
            "it never showed; refusals: {:?}; notifications: {:?}",
            log.refusals, log.notifications
        )
    })?
}

/// `from` writes `text` to `chat`; everybody in `to`, who may know the chat by
/// another name, shows it as somebody else's, and once.
pub(super) async fn say(
    from: &dyn Party,
    chat: &Chat,
    text: &str,
    to: &[(&dyn Party, &Chat)],
) -> Result<()> {
    from.write(chat, text)
        .await
        .with_context(|| format!("{} could not write {text:?}", from.name()))?;
    for (reader, chat) in to {
        expect(*reader, chat, text, false)
            .await
            .with_context(|| format!("written by {}", from.name()))?;
    }
    Ok(())
}

/// `reader` shows `text` once, as its own or not.
pub(super) async fn expect(reader: &dyn Party, chat: &Chat, text: &str, own: bool) -> Result<()> {
    let about = || format!("{:?} at {}", text, reader.name());
    let from_me = reader.shown(chat, text).await.with_context(about)?;
    ensure!(
        from_me == own,
        "{}: shown as {}",
        about(),
        if from_me {
            "its own"
        } else {
            "somebody else's"
        }
    );
    let times = reader.times(text).await.with_context(about)?;
    ensure!(times == 1, "{}: shown {times} times", about());
    Ok(())
}
