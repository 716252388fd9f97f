//! `encrypt`: the keys that devices publish, and that others start sessions
//! with.

use sha1::{Digest as _, Sha1};
use whatsapp_rust::wacore_binary::Node;

use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::state::{Keys, State};
use crate::wa_sim::hub::types::{Bundle, SignedPreKeyPublic};
use crate::wa_sim::node::{
    array, bytes, child, child_content, children, el, empty, error, id3, jid, number, result,
};
use crate::wa_sim::pairing::verifies;

impl State {
    pub(super) fn encrypt(&mut self, from: &DeviceJid, iq: &Node, set: bool) -> Node {
        let has = |tag| child(iq, tag).is_some();
        if set {
            let done = match child(iq, "rotate") {
                Some(rotate) => self.rotate(from, rotate),
                None => self.upload(from, iq),
            };
            return match done {
                Some(()) => result(iq, Vec::new()),
                None => error(iq, 406, "not-acceptable"),
            };
        }
        if has("digest") {
            return match self.device(from).and_then(|device| digest(&device.keys)) {
                Some(digest) => result(iq, vec![digest]),
                None => error(iq, 404, "item-not-found"),
            };
        }
        if let Some(asked) = child(iq, "key") {
            let users: Vec<Node> = children(asked)
                .iter()
                .map(|user| self.bundle_node(user))
                .collect();
            return result(iq, vec![el("list").children(users).build()]);
        }
        if has("identity") {
            return error(iq, 501, "feature-not-implemented");
        }
        let left = self
            .device(from)
            .map_or(0, |device| device.keys.one_time.len());
        result(iq, vec![el("count").attr("value", left).build()])
    }

    /// The first upload after linking, and every one that tops up.
    fn upload(&mut self, from: &DeviceJid, iq: &Node) -> Option<()> {
        let identity: [u8; 32] = array(iq, "identity")?;
        let signed = signed_pre_key(child(iq, "skey")?, &identity)?;
        let registration_id = number(child_content(iq, "registration")?)?;
        let list = child(iq, "list").map(children).unwrap_or_default();
        let one_time = list
            .iter()
            .filter_map(|key| Some((number(child_content(key, "id")?)?, array(key, "value")?)));
        let keys = &mut self.device_mut(from)?.keys;
        if keys.identity != identity {
            return None;
        }
        keys.registration_id = registration_id;
        keys.signed = signed;
        keys.add(one_time);
        keys.uploaded = true;
        Some(())
    }

    fn rotate(&mut self, from: &DeviceJid, rotate: &Node) -> Option<()> {
        let keys = &mut self.device_mut(from)?.keys;
        keys.signed = signed_pre_key(child(rotate, "skey")?, &keys.identity)?;
        Some(())
    }

    /// One device's bundle, under the JID it was asked for.
    fn bundle_node(&mut self, user: &Node) -> Node {
        let mut answer = el("user");
        if let Some(asked) = user.attrs.get("jid") {
            answer = answer.attr("jid", asked.clone());
        }
        let Some(device) = jid(user, "jid").and_then(|jid| self.device_of(&jid)) else {
            let missing = el("error")
                .attr("code", 404_u32)
                .attr("text", "item-not-found")
                .build();
            return answer.children([missing]).build();
        };
        let Some(bundle) = self.take_bundle(&device) else {
            return answer.build();
        };
        let mut parts = vec![
            bytes("registration", &bundle.registration_id.to_be_bytes()),
            bytes("type", &[5]),
            bytes("identity", &bundle.identity),
        ];
        if let Some((id, key)) = &bundle.pre_key {
            parts.push(
                el("key")
                    .children([bytes("id", &id3(*id)), bytes("value", key)])
                    .build(),
            );
        }
        parts.push(signed_node(&bundle.signed_pre_key));
        if let Some(identity) = &bundle.device_identity {
            parts.push(bytes("device-identity", identity));
        }
        answer.children(parts).build()
    }

    /// A device's bundle; uses up a one-time prekey.
    pub(crate) fn take_bundle(&mut self, device: &DeviceJid) -> Option<Bundle> {
        let known = self.device_mut(device)?;
        let bundle = Bundle {
            registration_id: known.keys.registration_id,
            identity: known.keys.identity,
            signed_pre_key: known.keys.signed.clone(),
            pre_key: known.keys.spend(),
            device_identity: known.device_identity.clone(),
        };
        self.ask_for_prekeys(device);
        Some(bundle)
    }
}

fn signed_pre_key(skey: &Node, identity: &[u8; 32]) -> Option<SignedPreKeyPublic> {
    let signed = SignedPreKeyPublic {
        id: number(child_content(skey, "id")?)?,
        public: array(skey, "value")?,
        signature: array(skey, "signature")?,
    };
    let covered = [&[5], signed.public.as_slice()].concat();
    verifies(identity, &covered, &signed.signature).then_some(signed)
}

fn signed_node(signed: &SignedPreKeyPublic) -> Node {
    let parts = [
        bytes("id", &id3(signed.id)),
        bytes("value", &signed.public),
        bytes("signature", &signed.signature),
    ];
    el("skey").children(parts).build()
}

/// What the server holds, so that the client can compare: the hash covers the
/// identity, the signed prekey and every one-time prekey in the order listed.
fn digest(keys: &Keys) -> Option<Node> {
    if !keys.uploaded {
        return None;
    }
    let mut hash = Sha1::new();
    hash.update(keys.identity);
    hash.update(keys.signed.public);
    hash.update(keys.signed.signature);
    for key in keys.one_time.values() {
        hash.update(key);
    }
    let ids: Vec<Node> = keys
        .one_time
        .keys()
        .map(|id| bytes("id", &id3(*id)))
        .collect();
    let list = if ids.is_empty() {
        empty("list")
    } else {
        el("list").children(ids).build()
    };
    let parts = [
        bytes("registration", &keys.registration_id.to_be_bytes()),
        bytes("type", &[5]),
        bytes("identity", &keys.identity),
        signed_node(&keys.signed),
        list,
        bytes("hash", &hash.finalize()),
    ];
    Some(el("digest").children(parts).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::hub::types::DevicePublic;
    use crate::wa_sim::node::content;

    #[test]
    fn the_digest_covers_the_keys_that_are_left() {
        let signed_pre_key = SignedPreKeyPublic {
            id: 1,
            public: [2; 32],
            signature: [3; 64],
        };
        let pre_keys = vec![(7, [7; 32]), (9, [9; 32])];
        let public = DevicePublic {
            registration_id: 5,
            identity: [1; 32],
            signed_pre_key,
            pre_keys,
        };
        let mut keys = Keys::from(public);
        assert_eq!(keys.spend(), Some((7, [7; 32])));
        // Spent ids never come back, and the first key of an id stays.
        keys.add([(7, [8; 32]), (9, [8; 32])]);
        let node = digest(&keys).unwrap();
        let list = child(&node, "list").unwrap();
        assert_eq!(
            children(list).iter().map(content).collect::<Vec<_>>(),
            [[0, 0, 9]]
        );
        let expected = Sha1::digest([&[1_u8; 32][..], &[2; 32], &[3; 64], &[9; 32]].concat());
        assert_eq!(child_content(&node, "hash"), Some(&expected[..]));
    }
}
