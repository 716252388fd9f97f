use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use whatsapp_rust::wacore::libsignal::protocol::{IdentityKeyPair, KeyPair};
use whatsapp_rust::wacore_binary::{Node, Server};

use super::*;
use crate::wa_sim::faults::Fault;
use crate::wa_sim::node::{attr_or_empty, child, children, content, el, jid};
use crate::wa_sim::phone::keys::raw_public;

/// Keeps what it is given.
#[derive(Default)]
struct Desk(Mutex<Vec<Node>>, Notify);

impl Endpoint for Desk {
    fn deliver(&self, stanza: Node) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stanza);
        self.1.notify_one();
    }
}

impl Desk {
    fn all(&self, tag: &str) -> Vec<Node> {
        let stanzas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stanzas
            .iter()
            .filter(|stanza| stanza.tag == tag)
            .cloned()
            .collect()
    }

    async fn wait(&self, tag: &str, count: usize) -> Vec<Node> {
        let search = async {
            loop {
                let found = self.all(tag);
                if found.len() >= count {
                    return found;
                }
                self.1.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), search)
            .await
            .expect("the stanzas arrive")
    }
}

fn public(seed: u64) -> DevicePublic {
    let mut rng = seed::rng(seed, "test device");
    let identity = IdentityKeyPair::generate(&mut rng);
    let pair = KeyPair::generate(&mut rng);
    let signature = identity
        .private_key()
        .calculate_signature(&pair.public_key.serialize(), &mut rng);
    DevicePublic {
        registration_id: 7,
        identity: raw_public(identity.public_key()),
        signed_pre_key: SignedPreKeyPublic {
            id: 1,
            public: raw_public(&pair.public_key),
            signature: signature.expect("a fresh key signs"),
        },
        pre_keys: (1..=12).map(|id| (id, [1; 32])).collect(),
    }
}

/// Two phones, `1550001` and `1550002`.
fn world() -> (Hub, [Arc<Desk>; 2], [DeviceJid; 2]) {
    let hub = Hub::new(&SimOptions::default()).expect("the chain is signed");
    let make = |n: u64| {
        let number = format!("155000{n}");
        let new = NewAccount {
            number: Some(number.clone()),
            push_name: format!("Phone {n}"),
            by_lid: false,
            business: false,
            phone: public(n),
        };
        hub.create_account(new).expect("the number is free");
        let desk = Arc::new(Desk::default());
        hub.attach_phone(&number, desk.clone())
            .expect("the account exists");
        (desk, DeviceJid::new(number, 0))
    };
    let ((desk1, one), (desk2, two)) = (make(1), make(2));
    (hub, [desk1, desk2], [one, two])
}

fn message(id: &str, to: &DeviceJid, text: &str) -> Node {
    let enc = el("enc")
        .attr("type", "msg")
        .attr("v", "2")
        .bytes(text.as_bytes())
        .build();
    let entry = el("to").attr("jid", to.pn()).children([enc]).build();
    let list = el("participants").children([entry]).build();
    el("message")
        .attr("to", to.bare())
        .attr("id", id)
        .attr("type", "text")
        .children([list])
        .build()
}

fn receipt(id: &str, to: &DeviceJid) -> Node {
    el("receipt").attr("id", id).attr("to", to.pn()).build()
}

fn sealed(message: &Node) -> &[u8] {
    child(message, "enc").map(content).unwrap_or_default()
}

#[tokio::test]
async fn a_message_waits_until_it_is_receipted() {
    let (hub, [desk1, desk2], [one, two]) = world();
    hub.detach_phone(&two.number);
    hub.submit(&one, message("A", &two, "first"));
    hub.submit(&one, message("B", &two, "second"));
    assert_eq!(desk1.wait("ack", 2).await.len(), 2);
    assert_eq!(hub.queued(&two), 2);
    hub.attach_phone(&two.number, desk2.clone())
        .expect("the account exists");
    let arrived = desk2.wait("message", 2).await;
    assert_eq!(
        arrived.iter().map(sealed).collect::<Vec<_>>(),
        [b"first".as_slice(), b"second"]
    );
    assert!(
        arrived
            .iter()
            .all(|message| message.attrs.contains_key("offline"))
    );
    assert_eq!(attr_or_empty(&arrived[0], "notify"), "Phone 1");
    assert_eq!(jid(&arrived[0], "from"), Some(one.bare()));
    assert!(jid(&arrived[0], "sender_lid").is_some_and(|lid| lid.server == Server::Lid));
    // A receipt may name several messages at once.
    let mut both = receipt("A", &one);
    both.content = el("x")
        .children([el("list")
            .children([el("item").attr("id", "B").build()])
            .build()])
        .build()
        .content;
    hub.submit(&two, both);
    assert_eq!(hub.queued(&two), 0);
    let told = desk1.wait("receipt", 1).await;
    assert_eq!(attr_or_empty(&told[0], "id"), "A");
    assert_eq!(children(&told[0]).len(), 1);
}

#[tokio::test]
async fn a_message_sent_again_is_delivered_again_only_if_it_was_not_receipted() {
    let (hub, [desk1, desk2], [one, two]) = world();
    hub.submit(&one, message("A", &two, "sealed once"));
    desk2.wait("message", 1).await;
    // The sender crashed and sealed it anew; the first copy was never confirmed.
    hub.submit(&one, message("A", &two, "sealed twice"));
    let copies = desk2.wait("message", 2).await;
    assert_eq!(sealed(&copies[1]), b"sealed twice");
    hub.submit(&two, receipt("A", &one));
    assert_eq!(hub.queued(&two), 0);
    hub.submit(&one, message("A", &two, "sealed three times"));
    hub.submit(&one, message("B", &two, "another"));
    desk1.wait("ack", 4).await;
    let all = desk2.wait("message", 3).await;
    assert_eq!(all.len(), 3);
    assert_eq!(attr_or_empty(&all[2], "id"), "B");
    let entry = hub.ledger_entry("A").expect("the message is known");
    assert_eq!((entry.submitted, entry.acked), (3, 3));
    assert_eq!(entry.targets[&two.to_string()].delivered, 2);
}

#[tokio::test]
async fn a_retry_reaches_the_author_and_its_answer_the_asker() {
    let (hub, [desk1, desk2], [one, two]) = world();
    hub.submit(&one, message("A", &two, "unreadable"));
    desk2.wait("message", 1).await;
    let retry = el("retry").attr("count", 1_u32).attr("id", "A").build();
    let asking = el("receipt")
        .attr("id", "A")
        .attr("to", one.pn())
        .attr("type", "retry")
        .children([retry])
        .build();
    hub.submit(&two, asking);
    let asked = desk1.wait("receipt", 1).await;
    assert_eq!(attr_or_empty(&asked[0], "type"), "retry");
    assert!(child(&asked[0], "retry").is_some());
    let enc = el("enc")
        .attr("type", "pkmsg")
        .attr("count", 1_u32)
        .bytes(b"again".as_slice())
        .build();
    let again = el("message")
        .attr("to", two.pn())
        .attr("id", "A")
        .attr("type", "text")
        .children([enc])
        .build();
    hub.submit(&one, again);
    let copies = desk2.wait("message", 2).await;
    assert_eq!(sealed(&copies[1]), b"again");
    let entry = hub.ledger_entry("A").expect("the message is known");
    assert_eq!(entry.targets[&two.to_string()].retries, 1);
}

#[tokio::test]
async fn one_time_prekeys_are_handed_out_once_and_running_low_is_noticed() {
    let (hub, [_, desk2], [_, two]) = world();
    let taken: Vec<u32> = (0..13)
        .filter_map(|_| hub.take_prekey_bundle(&two.pn())?.pre_key)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(taken, (1..=12).collect::<Vec<_>>());
    let bundle = hub
        .take_prekey_bundle(&two.pn())
        .expect("the device exists");
    assert_eq!(bundle.pre_key, None);
    let told = desk2.wait("notification", 1).await;
    assert_eq!(told.len(), 1, "once is enough");
    assert_eq!(attr_or_empty(&told[0], "type"), "encrypt");
    hub.add_pre_keys(&two, vec![(3, [9; 32]), (20, [9; 32])]);
    assert_eq!(hub.pre_key_count(&two), 1, "spent ids stay spent");
}

#[tokio::test]
async fn withheld_acks_do_not_stop_the_message() {
    let (hub, [desk1, desk2], [one, two]) = world();
    hub.inject(Some(one.clone()), Fault::WithholdAcks { times: Some(1) });
    hub.submit(&one, message("A", &two, "one"));
    hub.submit(&one, message("B", &two, "two"));
    assert_eq!(desk2.wait("message", 2).await.len(), 2);
    let acks = desk1.wait("ack", 1).await;
    assert_eq!(
        acks.iter()
            .map(|ack| attr_or_empty(ack, "id"))
            .collect::<Vec<_>>(),
        ["B"]
    );
}

#[tokio::test]
async fn requests_are_never_left_without_an_answer() {
    let (hub, _, [one, two]) = world();
    let ask = |space: &str, kind: &str, child: Node| {
        let iq = el("iq")
            .attr("id", "1")
            .attr("to", "@s.whatsapp.net")
            .attr("xmlns", space);
        iq.attr("type", kind).children([child]).build()
    };
    for (space, kind) in [
        ("encrypt", "get"),
        ("w", "get"),
        ("made:up", "set"),
        ("privacy", "get"),
        ("md", "set"),
    ] {
        let answer = hub
            .request(&one, ask(space, kind, el("anything").build()))
            .await;
        assert_eq!(attr_or_empty(&answer, "id"), "1");
        assert!(
            ["result", "error"].contains(&attr_or_empty(&answer, "type").as_str()),
            "{space}"
        );
    }
    // Keys come back under the very JID that was asked for.
    let lid = hub
        .account(&two.number)
        .expect("the account exists")
        .lid_jid();
    let user = el("user").attr("jid", lid.clone()).build();
    let answer = hub
        .request(
            &one,
            ask("encrypt", "get", el("key").children([user]).build()),
        )
        .await;
    let user = child(&answer, "list")
        .and_then(|list| children(list).first())
        .expect("one user");
    assert_eq!(jid(user, "jid"), Some(lid));
    assert!(child(user, "identity").is_some());
}

#[test]
fn accounts_need_a_signed_prekey_and_a_free_number() {
    let hub = Hub::new(&SimOptions::default()).expect("the chain is signed");
    let new = |number: &str, phone: DevicePublic| NewAccount {
        number: Some(number.to_owned()),
        push_name: String::new(),
        by_lid: false,
        business: false,
        phone,
    };
    let mut unsigned = public(1);
    unsigned.signed_pre_key.signature = [0; 64];
    assert_eq!(
        hub.create_account(new("1550001", unsigned)),
        Err(HubError::BadSignature)
    );
    assert_eq!(
        hub.create_account(new("01550001", public(1))),
        Err(HubError::BadNumber)
    );
    assert!(hub.create_account(new("1550001", public(1))).is_ok());
    let taken = hub.create_account(new("1550001", public(2)));
    assert_eq!(taken, Err(HubError::NumberTaken("1550001".to_owned())));
    let chosen = |seed| {
        let hub = Hub::new(&SimOptions {
            seed,
            ..SimOptions::default()
        })
        .expect("the chain is signed");
        let made = hub.create_account(NewAccount {
            number: None,
            ..new("", public(1))
        });
        made.map(|account| (account.number, account.lid))
    };
    assert_eq!(chosen(5), chosen(5));
    assert_ne!(chosen(5), chosen(6));
}
