//! Random interleavings of everything that can happen to an inbox.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::inbox::{Cursor, InboxState};

const CHATS: [&str; 3] = [ANNA, BEN, "15550000003@s.whatsapp.net"];
const CONSUMERS: [Option<&str>; 2] = [None, Some("agent")];

#[derive(Debug, Clone)]
enum Step {
    /// New messages, by chat.
    Commit(Vec<usize>),
    /// A message that was committed before arrives again.
    Again(usize),
    Receive {
        consumer: usize,
        max: usize,
        hold: bool,
    },
    /// Of the messages handed out so far.
    Ack(usize),
    Fail {
        which: usize,
        park: bool,
        later: bool,
    },
    Revoke(usize),
    Advance(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..CHATS.len(), 1..4).prop_map(Step::Commit),
        1 => any::<usize>().prop_map(Step::Again),
        6 => (0..CONSUMERS.len(), 1_usize..5, any::<bool>())
            .prop_map(|(consumer, max, hold)| Step::Receive { consumer, max, hold }),
        5 => any::<usize>().prop_map(Step::Ack),
        2 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, park, later)| Step::Fail { which, park, later }),
        1 => any::<usize>().prop_map(Step::Revoke),
        2 => (1_u64..2_000).prop_map(Step::Advance),
        1 => Just(Step::Restart),
    ]
}

/// What must be true of the messages, whatever the inbox does.
#[derive(Default)]
struct Model {
    /// Chat by id, in order of arrival.
    committed: BTreeMap<u64, &'static str>,
    done: BTreeSet<u64>,
    handed_out: Vec<u64>,
}

impl Model {
    fn pick(&self, of: usize) -> Option<(u64, &'static str)> {
        let ids: Vec<_> = self.committed.iter().collect();
        ids.get(of % ids.len().max(1))
            .map(|(id, chat)| (**id, **chat))
    }

    fn pick_handed_out(&self, of: usize) -> Option<(u64, &'static str)> {
        let id = *self.handed_out.get(of % self.handed_out.len().max(1))?;
        Some((id, self.committed.get(&id)?))
    }

    /// A batch holds nothing that is done, and no message before an earlier one
    /// of its chat, in the batch or still waiting outside.
    fn check_batch(&mut self, batch: &[Leased], items: &[InboxItem]) -> Result {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let inside: BTreeSet<&str> = batch.iter().map(|leased| leased.cursor.as_str()).collect();
        for leased in batch {
            let id: u64 = leased.message.id.parse()?;
            if self.done.contains(&id) {
                return Err(format!("{id} was handed out after its end").into());
            }
            let chat = leased.message.chat.as_str();
            if seen.insert(chat, id).is_some_and(|before| before >= id) {
                return Err(format!("{id} is out of order in its batch").into());
            }
            for item in items.iter().filter(|item| item.chat.as_str() == chat) {
                let other: u64 = item.message_id.parse()?;
                let free =
                    item.state == InboxState::Parked || inside.contains(item.cursor.as_str());
                if !free && (other < id || item.state == InboxState::Leased) {
                    return Err(format!("{id} was handed out while {other} was open").into());
                }
            }
            self.handed_out.push(id);
        }
        Ok(())
    }
}

async fn take(rig: &mut Rig, model: &mut Model, step: Step) -> Result {
    match step {
        Step::Commit(chats) => commit(rig, model, &chats).await?,
        Step::Again(of) => {
            if let Some((id, chat)) = model.pick(of) {
                let report = rig
                    .commit(&[text_message(chat, &id.to_string(), "y")])
                    .await?;
                assert_eq!(report.duplicates, 1);
            }
        }
        Step::Receive {
            consumer,
            max,
            hold,
        } => {
            let batch = receive(rig, CONSUMERS[consumer], max, hold).await?;
            assert!(batch.len() <= max);
            model.check_batch(&batch, &rig.inbox().list(None, usize::MAX))?;
        }
        Step::Ack(of) => {
            if let Some((id, chat)) = model.pick_handed_out(of) {
                rig.ack(chat, &id.to_string()).await?;
                model.done.insert(id);
            }
        }
        Step::Fail { which, park, later } => {
            if let Some((id, chat)) = model.pick_handed_out(which) {
                let after = later.then_some(Duration::from_secs(40));
                let cursor = cursor(chat, &id.to_string());
                rig.inbox().fail(&cursor, "x", after, park).await?;
            }
        }
        Step::Revoke(of) => {
            if let Some((id, chat)) = model.pick(of) {
                let report = rig
                    .inbox()
                    .commit(vec![revoke(chat, &id.to_string())])
                    .await?;
                if report.revoked == 1 {
                    assert!(model.done.insert(id), "{id} was withdrawn after its end");
                }
            }
        }
        Step::Advance(seconds) => rig.advance(Duration::from_secs(seconds)),
        Step::Restart => rig.reopen()?,
    }
    Ok(())
}

async fn commit(rig: &Rig, model: &mut Model, chats: &[usize]) -> Result {
    let first = model.committed.len() as u64;
    let new: Vec<_> = (first..)
        .zip(chats.iter().map(|chat| CHATS[*chat]))
        .collect();
    let messages = new
        .iter()
        .map(|(id, chat)| text_message(chat, &id.to_string(), "x"));
    rig.commit(&messages.collect::<Vec<_>>()).await?;
    model.committed.extend(new);
    Ok(())
}

async fn receive(rig: &Rig, consumer: Option<&str>, max: usize, hold: bool) -> Result<Vec<Leased>> {
    let leased = rig.inbox().list(Some(InboxState::Leased), usize::MAX);
    let held = leased.into_iter().filter(|_| hold);
    let request = ReceiveRequest {
        consumer: consumer.map(str::to_owned),
        holding: held.map(|item| Cursor::from(item.cursor)).collect(),
        max_messages: max,
        ..ReceiveRequest::default()
    };
    Ok(rig.inbox().receive(request).await?)
}

/// Whatever is left can be handed out and acknowledged, each once.
async fn drain(rig: &mut Rig, model: &mut Model) -> Result {
    rig.reopen()?;
    for item in rig.inbox().list(None, usize::MAX) {
        rig.inbox().retry(&item.cursor).await?;
    }
    loop {
        let batch = rig.inbox().receive(ReceiveRequest::default()).await?;
        model.check_batch(&batch, &rig.inbox().list(None, usize::MAX))?;
        if batch.is_empty() {
            break;
        }
        for leased in batch {
            rig.inbox().ack(leased.cursor.as_str()).await?;
            model.done.insert(leased.message.id.parse()?);
        }
    }
    assert_eq!(
        model.done.len(),
        model.committed.len(),
        "messages were lost"
    );
    assert_eq!(rig.inbox().list(None, 1), []);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_reordered_or_handed_out_after_its_end(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome: Result = runtime.block_on(async {
            let mut rig = Rig::new()?;
            let mut model = Model::default();
            for step in steps {
                take(&mut rig, &mut model, step).await?;
            }
            drain(&mut rig, &mut model).await
        });
        prop_assert!(outcome.is_ok(), "{}", outcome.err().map(|e| e.to_string()).unwrap_or_default());
    }
}
