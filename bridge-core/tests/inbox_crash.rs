//! Kills processes that use an inbox and an outbox, and looks at what is left.
//!
//! The child is this test binary, started again with one test selected and the
//! variable below set; without it, that test does nothing.

use std::{
    collections::BTreeSet,
    error::Error,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use bridge_core::{
    clock::SystemClock,
    driver::Driver,
    driver_memory::{MemoryDriver, text_message},
    inbox::{Inbox, InboxLimits, ReceiveRequest},
    message::{ChatId, InboundEvent},
    outbox::{DEFAULT_RETENTION, Outbox, SendRequest, SendState},
    policy::{Allowlist, PolicyHandle},
    vault::{MasterKey, Vault, VaultOptions},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The folder of the store that a child works on.
const DIR: &str = "LOONG_TEST_INBOX_DIR";
/// How often a child is killed.
const KILLS: usize = 6;
const CHATS: u64 = 3;

fn open(dir: &Path) -> Result<(Arc<Inbox>, Outbox)> {
    let vault = Vault::open(
        &VaultOptions::new(dir),
        &MasterKey::from_bytes([5; MasterKey::LEN]),
    )?;
    let policy = PolicyHandle::new(Allowlist::Everyone, Arc::new(|_: &str| Vec::new()));
    let clock = Arc::new(SystemClock);
    let inbox = Inbox::open(
        &vault,
        InboxLimits::default(),
        Arc::new(policy),
        Arc::clone(&clock) as _,
    )?;
    Ok((
        Arc::new(inbox),
        Outbox::open(&vault, DEFAULT_RETENTION, clock)?,
    ))
}

fn chat(n: u64) -> String {
    format!("1555000{:04}@s.whatsapp.net", n % CHATS)
}

fn cursor(n: u64) -> String {
    format!("wa:{}:{n}", chat(n))
}

/// One line for the parent, in one write.
fn report(what: &str, n: u64) -> Result {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{what} {n}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// Commits messages for ever.
async fn commit(inbox: Arc<Inbox>, first: u64) -> Result {
    for n in first.. {
        let message = text_message(&chat(n), &n.to_string(), "hello");
        inbox.commit(vec![InboundEvent::Message(message)]).await?;
        report("committed", n)?;
    }
    Ok(())
}

/// Answers messages for ever: sends under the cursor as key, then acks. What the
/// messenger took is reported before its answer is.
async fn answer(inbox: Arc<Inbox>, outbox: Outbox) -> Result {
    let driver: Arc<dyn Driver> = Arc::new(MemoryDriver::new());
    loop {
        let request = ReceiveRequest {
            max_messages: 4,
            wait: std::time::Duration::from_secs(5),
            ..ReceiveRequest::default()
        };
        for leased in inbox.receive(request).await? {
            let n: u64 = leased.message.id.parse()?;
            let key = leased.cursor.clone().into_string();
            let chat = leased.message.chat.clone();
            let request = SendRequest {
                chat,
                text: format!("answer to {n}"),
                key: Some(key),
            };
            let receipt = outbox.send(&driver, request).await?;
            if receipt.state == SendState::Acked {
                report("sent", n)?;
                inbox.ack(leased.cursor.as_str()).await?;
                report("acked", n)?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_answers() -> Result {
    let Some(dir) = std::env::var_os(DIR) else {
        return Ok(());
    };
    let dir = Path::new(&dir);
    let first: u64 = std::fs::read_to_string(dir.join("next"))?.parse()?;
    let (inbox, outbox) = open(&dir.join("store"))?;
    let outbox = outbox.with_pace(bridge_core::outbox::Pace {
        burst: u32::MAX,
        every: std::time::Duration::from_nanos(1),
    });
    tokio::try_join!(commit(Arc::clone(&inbox), first), answer(inbox, outbox))?;
    Ok(())
}

/// What children reported before they were killed.
#[derive(Default)]
struct Ledger {
    committed: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    acked: BTreeSet<u64>,
}

/// Runs a child until it has acked `acks` messages, and kills it without warning.
fn run_and_kill(dir: &Path, ledger: &mut Ledger, acks: usize) -> Result {
    // Numbers that were perhaps committed but not reported are not used again.
    let next = ledger.committed.last().map_or(0, |n| n + 10);
    std::fs::write(dir.join("next"), next.to_string())?;
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "child_that_answers",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("no output")?;
    let mut acked = 0;
    for line in BufReader::new(out).lines() {
        let line = line?;
        // The test harness may have begun the line.
        let mut words = line.rsplitn(3, ' ');
        let (number, what) = (words.next(), words.next());
        let (Some(Ok(n)), Some(what)) = (number.map(str::parse), what) else {
            continue;
        };
        match what {
            "committed" => ledger.committed.insert(n),
            "sent" => ledger.sent.insert(n),
            "acked" => {
                acked += 1;
                ledger.acked.insert(n)
            }
            _ => false,
        };
        if acked == acks {
            child.kill()?;
        }
    }
    child.wait()?;
    (acked >= acks)
        .then_some(())
        .ok_or_else(|| "the child ended by itself".into())
}

/// The messages that the inbox hands out, acknowledging them.
async fn drain(inbox: &Inbox) -> Result<Vec<u64>> {
    let mut drained = Vec::new();
    loop {
        let batch = inbox.receive(ReceiveRequest::default()).await?;
        if batch.is_empty() {
            return Ok(drained);
        }
        for leased in batch {
            drained.push(leased.message.id.parse()?);
            inbox.ack(leased.cursor.as_str()).await?;
        }
    }
}

#[tokio::test]
async fn kills_lose_nothing_and_repeat_nothing_that_was_confirmed() -> Result {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::default();
    for kill in 0..KILLS {
        run_and_kill(dir.path(), &mut ledger, 5 + 7 * kill)?;
        // What was confirmed is so after the kill, in the next process.
        let (inbox, outbox) = open(&dir.path().join("store"))?;
        for n in &ledger.committed {
            assert!(inbox.knows(&cursor(*n))?, "{n} was lost");
        }
        let waiting: BTreeSet<String> = inbox
            .list(None, usize::MAX)
            .into_iter()
            .map(|item| item.message_id)
            .collect();
        for n in &ledger.acked {
            assert!(
                !waiting.contains(&n.to_string()),
                "{n} came back after its ack"
            );
        }
        // An answer that was confirmed is not sent a second time.
        let messenger = Arc::new(MemoryDriver::new());
        let driver: Arc<dyn Driver> = messenger.clone();
        for n in ledger.sent.difference(&ledger.acked) {
            let request = SendRequest {
                chat: ChatId::from_canonical(chat(*n)),
                text: "worked out again".to_owned(),
                key: Some(cursor(*n)),
            };
            let receipt = outbox.send(&driver, request).await?;
            assert!(
                receipt.repeated && receipt.state == SendState::Acked,
                "{receipt:?}"
            );
        }
        assert_eq!(messenger.sent().len(), 0);
    }
    let (inbox, _outbox) = open(&dir.path().join("store"))?;
    let drained = drain(&inbox).await?;
    for chat in 0..CHATS {
        let of_chat: Vec<u64> = drained
            .iter()
            .copied()
            .filter(|n| n % CHATS == chat)
            .collect();
        assert!(
            of_chat.is_sorted(),
            "chat {chat} is out of order: {of_chat:?}"
        );
    }
    let mut seen: BTreeSet<u64> = drained.iter().copied().collect();
    assert_eq!(
        seen.len(),
        drained.len(),
        "a message was handed out after its ack"
    );
    seen.extend(&ledger.acked);
    // The ack of a message may have been cut off between the disk and the report.
    for n in ledger.committed.difference(&seen) {
        assert!(inbox.knows(&cursor(*n))?, "{n} was lost");
        assert!(ledger.sent.contains(n), "{n} went without an answer");
    }
    Ok(())
}
