//! Random sequences of calls answer alike on our store and on the library's in-memory one.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use whatsapp_rust::anyhow;
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::wacore::store::traits::{Backend, MsgSecretEntry};

use super::Opened;

/// A call on one of a few keys, so that calls meet.
#[derive(Clone, Debug)]
enum Call {
    StorePrekey(u32, u8),
    MarkUploaded(u32),
    RemovePrekey(u32),
    TouchSender(u8, i64),
    ReceiveToken(u8, u8, i64),
    ExpireTokens(i64, i64),
    PutSecrets(Vec<(u8, u8, i64, i64)>),
    ExpireSecrets(i64),
    StoreSent(u8, u8),
    TakeSent(u8),
    SetStatus(u8, u8, bool),
    ForgetDevice(u8),
    StorePending(u8, u8),
    DeletePending(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let key = || 0..3_u8;
    let at = || 0..6_i64;
    let secret = (key(), any::<u8>(), at(), at());
    prop_oneof![
        (1..4_u32, any::<u8>()).prop_map(|(id, value)| Call::StorePrekey(id, value)),
        (1..4_u32).prop_map(Call::MarkUploaded),
        (1..4_u32).prop_map(Call::RemovePrekey),
        (key(), at()).prop_map(|(jid, at)| Call::TouchSender(jid, at)),
        (key(), 1..9_u8, at()).prop_map(|(jid, token, at)| Call::ReceiveToken(jid, token, at)),
        (at(), at()).prop_map(|(token, sender)| Call::ExpireTokens(token, sender)),
        proptest::collection::vec(secret, 0..4).prop_map(Call::PutSecrets),
        at().prop_map(Call::ExpireSecrets),
        (key(), any::<u8>()).prop_map(|(id, value)| Call::StoreSent(id, value)),
        key().prop_map(Call::TakeSent),
        (key(), key(), any::<bool>())
            .prop_map(|(group, one, has)| Call::SetStatus(group, one, has)),
        key().prop_map(Call::ForgetDevice),
        (key(), any::<u8>()).prop_map(|(id, value)| Call::StorePending(id, value)),
        key().prop_map(Call::DeletePending),
    ]
}

fn text(key: u8) -> String {
    format!("key {key}")
}

/// Makes a call; what it counted or found, as text.
async fn make(store: &impl Backend, call: &Call) -> anyhow::Result<String> {
    match *call {
        Call::StorePrekey(id, value) => store.store_prekey(id, &[value], false).await?,
        Call::MarkUploaded(id) => store.mark_prekeys_uploaded(&[id]).await?,
        Call::RemovePrekey(id) => store.remove_prekey(id).await?,
        Call::TouchSender(jid, at) => {
            store
                .touch_tc_token_sender_timestamp(&text(jid), at)
                .await?;
        }
        Call::ReceiveToken(jid, token, at) => {
            store
                .store_received_tc_token(&text(jid), &[token], at)
                .await?;
        }
        Call::ExpireTokens(token, sender) => {
            return Ok(store
                .delete_expired_tc_tokens(token, sender)
                .await?
                .to_string());
        }
        Call::PutSecrets(ref rows) => {
            let rows = rows.iter().map(secret).collect();
            return Ok(store.put_msg_secrets(rows).await?.to_string());
        }
        Call::ExpireSecrets(now) => {
            return Ok(store.delete_expired_msg_secrets(now).await?.to_string());
        }
        Call::StoreSent(id, value) => {
            store
                .store_sent_message("chat", &text(id), &[value])
                .await?;
        }
        Call::TakeSent(id) => {
            let taken = store.take_sent_message("chat", &text(id)).await?;
            return Ok(format!("{taken:?}"));
        }
        Call::SetStatus(group, one, has) => {
            store
                .set_sender_key_status(&text(group), &[(&text(one), has)])
                .await?;
        }
        Call::ForgetDevice(one) => {
            store.delete_sender_key_device_rows(&[&text(one)]).await?;
        }
        Call::StorePending(id, value) => {
            store
                .store_pending_inbound("chat", "sender", &text(id), &[value])
                .await?;
        }
        Call::DeletePending(id) => {
            store
                .delete_pending_inbound("chat", "sender", &text(id))
                .await?;
        }
    }
    Ok(String::new())
}

fn secret((id, secret, expires_at, message_ts): &(u8, u8, i64, i64)) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: Arc::from("chat"),
        sender: Arc::from("sender"),
        msg_id: Arc::from(text(*id)),
        secret: [*secret; 32],
        expires_at: *expires_at,
        message_ts: *message_ts,
    }
}

/// Everything the calls above can have changed, in a fixed order.
async fn contents(store: &impl Backend) -> anyhow::Result<String> {
    let mut all = format!("{:?}\n", store.load_prekeys_batch(&[1, 2, 3]).await?);
    all += &format!("{}\n", store.get_max_prekey_id().await?);
    for key in 0..3_u8 {
        let key = text(key);
        let token = store.get_tc_token(&key).await?;
        let mut devices = store.get_sender_key_devices(&key).await?;
        devices.sort();
        all += &format!(
            "{:?} {:?} {devices:?} {:?}\n",
            token.map(|token| (token.token, token.token_timestamp, token.sender_timestamp)),
            store.get_msg_secret_with_ts("chat", "sender", &key).await?,
            store.get_pending_inbound("chat", "sender", &key).await?,
        );
    }
    let mut jids = store.get_all_tc_token_jids().await?;
    jids.sort();
    Ok(all + &jids.join(" "))
}

async fn compare(calls: Vec<Call>) -> anyhow::Result<Option<String>> {
    let model = InMemoryBackend::new();
    let opened = Opened::new()?;
    for call in &calls {
        let (expected, found) = (make(&model, call).await?, make(&opened.store, call).await?);
        if expected != found {
            return Ok(Some(format!("{call:?}: expected {expected}, got {found}")));
        }
    }
    let (expected, found) = (
        contents(&model).await?,
        contents(&opened.reopened()?.store).await?,
    );
    Ok((expected != found).then(|| format!("expected\n{expected}\ngot\n{found}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_answer_like_the_model(calls in proptest::collection::vec(call(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let difference = runtime
            .block_on(compare(calls))
            .map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        prop_assert_eq!(difference, None);
    }
}
