//! Reading and making stanzas.
//!
//! Clients may send text content tokenised, packed or as bytes; what the
//! server sends is always bytes, because some clients accept nothing else.

use std::borrow::Cow;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::node::NodeContent;
use whatsapp_rust::wacore_binary::{Jid, Node};

/// The name by which the server itself appears in stanzas.
pub const SERVER: &str = "s.whatsapp.net";

/// Starts a node.
#[must_use]
pub fn el(tag: &'static str) -> NodeBuilder {
    NodeBuilder::new(tag)
}

/// A node with nothing but a tag.
#[must_use]
pub fn empty(tag: &'static str) -> Node {
    NodeBuilder::new(tag).build()
}

/// A node whose content is these bytes.
#[must_use]
pub fn bytes(tag: &'static str, content: &[u8]) -> Node {
    NodeBuilder::new(tag).bytes(content).build()
}

/// An attribute as text.
#[must_use]
pub fn attr<'a>(node: &'a Node, name: &str) -> Option<Cow<'a, str>> {
    node.attrs.get(name).map(|value| value.as_str())
}

/// An attribute as text, owned, empty if missing.
#[must_use]
pub fn attr_or_empty(node: &Node, name: &str) -> String {
    attr(node, name).map(Cow::into_owned).unwrap_or_default()
}

/// An attribute as a JID.
#[must_use]
pub fn jid(node: &Node, name: &str) -> Option<Jid> {
    node.attrs.get(name).and_then(|value| value.to_jid())
}

/// The first child with this tag.
#[must_use]
pub fn child<'a>(node: &'a Node, tag: &str) -> Option<&'a Node> {
    children(node).iter().find(|child| child.tag == tag)
}

/// All children; none if the content is something else.
#[must_use]
pub fn children(node: &Node) -> &[Node] {
    match &node.content {
        Some(NodeContent::Nodes(nodes)) => nodes,
        _ => &[],
    }
}

/// Content given as bytes or as text; empty if there is none.
#[must_use]
pub fn content(node: &Node) -> &[u8] {
    match &node.content {
        Some(NodeContent::Bytes(bytes)) => bytes,
        Some(NodeContent::String(text)) => text.as_bytes(),
        _ => &[],
    }
}

/// The content of the first child with this tag.
#[must_use]
pub fn child_content<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    child(node, tag).map(content)
}

/// Content of exactly `N` bytes.
#[must_use]
pub fn array<const N: usize>(node: &Node, tag: &str) -> Option<[u8; N]> {
    child_content(node, tag)?.try_into().ok()
}

/// A big-endian number of up to 4 bytes.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.len() > 4 {
        return None;
    }
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u32::from(*byte)),
    )
}

/// The 3 bytes of a prekey id.
#[must_use]
pub fn id3(id: u32) -> [u8; 3] {
    let [_, a, b, c] = id.to_be_bytes();
    [a, b, c]
}

/// The answer to a request, with these children.
#[must_use]
pub fn result(iq: &Node, children: Vec<Node>) -> Node {
    let answer = answer(iq, "result");
    if children.is_empty() {
        answer.build()
    } else {
        answer.children(children).build()
    }
}

/// The refusal of a request.
#[must_use]
pub fn error(iq: &Node, code: u16, text: &'static str) -> Node {
    let cause = el("error").attr("code", code).attr("text", text).build();
    answer(iq, "error").children([cause]).build()
}

fn answer(iq: &Node, kind: &'static str) -> NodeBuilder {
    let from = jid(iq, "to").filter(|to| !to.user.is_empty());
    let answer = el("iq")
        .attr("id", attr_or_empty(iq, "id"))
        .attr("type", kind);
    match from {
        Some(jid) => answer.attr("from", jid),
        None => match attr(iq, "to") {
            Some(to) if to == "g.us" || to == "@g.us" => answer.attr("from", "g.us"),
            _ => answer.attr("from", SERVER),
        },
    }
}

/// A copy of `node` with one more attribute.
#[must_use]
pub fn with_attr(
    node: &Node,
    name: &'static str,
    value: impl Into<whatsapp_rust::wacore_binary::node::NodeValue>,
) -> Node {
    let mut copy = node.clone();
    copy.attrs.insert(name, value);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_whether_text_or_bytes() {
        let text = el("x").string_content("1").build();
        assert_eq!(content(&text), b"1");
        assert_eq!(content(&bytes("x", b"1")), b"1");
        assert_eq!(content(&empty("x")), b"");
    }

    #[test]
    fn answers_come_from_whom_the_request_went_to() {
        let server = el("iq")
            .attr("id", "1")
            .attr("to", "@s.whatsapp.net")
            .build();
        assert_eq!(attr_or_empty(&result(&server, Vec::new()), "from"), SERVER);
        let group = el("iq").attr("id", "2").attr("to", "123@g.us").build();
        let answer = error(&group, 404, "item-not-found");
        assert_eq!(attr_or_empty(&answer, "from"), "123@g.us");
        assert_eq!(
            attr_or_empty(child(&answer, "error").unwrap(), "code"),
            "404"
        );
    }

    #[test]
    fn numbers_are_big_endian() {
        assert_eq!(number(&[1, 2, 3]), Some(0x01_02_03));
        assert_eq!(number(&[0; 5]), None);
        assert_eq!(id3(0x01_02_03), [1, 2, 3]);
    }
}
