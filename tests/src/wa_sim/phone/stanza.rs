//! Small readers and writers of stanzas, shared by the parts of a phone.

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore_binary::node::NodeContent;
use whatsapp_rust::wacore_binary::{Jid, Node};

/// An attribute as text; empty when it is missing.
pub(crate) fn text(node: &Node, name: &str) -> String {
    optional(node, name).unwrap_or_default()
}

/// An attribute as text.
pub(crate) fn optional(node: &Node, name: &str) -> Option<String> {
    node.attrs
        .get(name)
        .map(|value| value.as_str().into_owned())
}

/// An attribute as a JID.
pub(crate) fn jid(node: &Node, name: &str) -> Option<Jid> {
    node.attrs.get(name).and_then(|value| value.to_jid())
}

/// Content as bytes: some clients write short texts where others write bytes.
pub(crate) fn bytes(node: &Node) -> Vec<u8> {
    match &node.content {
        Some(NodeContent::Bytes(bytes)) => bytes.clone(),
        Some(NodeContent::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// The bytes of a child, if it is there.
pub(crate) fn child_bytes(node: &Node, tag: &str) -> Option<Vec<u8>> {
    node.get_optional_child(tag).map(bytes)
}

/// A big-endian number of up to four bytes.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte))
}

/// A child whose content is `bytes`.
pub(crate) fn leaf(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(bytes).build()
}

/// A key id: the low three bytes of `id`, big-endian.
pub(crate) fn key_id(id: u32) -> Vec<u8> {
    id.to_be_bytes().get(1..).unwrap_or_default().to_vec()
}

/// The acknowledgement of a receipt, a notification or a call.
pub(crate) fn ack(stanza: &Node) -> Node {
    let mut ack = NodeBuilder::new("ack")
        .attr("class", stanza.tag.to_string())
        .attr("id", text(stanza, "id"));
    if let Some(from) = stanza.attrs.get("from") {
        ack = ack.attr("to", from.clone());
    }
    for name in ["participant", "type"] {
        if let Some(value) = stanza.attrs.get(name) {
            ack = ack.attr(name, value.clone());
        }
    }
    ack.build()
}
