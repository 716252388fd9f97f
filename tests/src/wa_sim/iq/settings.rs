//! The many small requests around a login, with the smallest valid answers.

use whatsapp_rust::wacore_binary::Node;

use crate::wa_sim::hub::state::State;
use crate::wa_sim::node::{attr, attr_or_empty, child, el, empty, error, result, with_attr};

impl State {
    /// Answers everything that has no file of its own; what is unknown gets an
    /// empty answer and a line in the log.
    pub(crate) fn settings(&self, space: &str, iq: &Node, set: bool) -> Node {
        match space {
            "w:p" | "urn:xmpp:ping" => with_attr(&result(iq, Vec::new()), "t", self.now()),
            "w" | "abt" => result(iq, props(iq)),
            "blocklist" => result(iq, vec![empty("list")]),
            "privacy" if child(iq, "privacy").is_some() && !set => result(iq, vec![privacy()]),
            "w:m" => result(iq, vec![media_conn()]),
            "w:profile:picture" if !set => error(iq, 404, "item-not-found"),
            "passive"
            | "privacy"
            | "disappearing_mode"
            | "urn:xmpp:whatsapp:push"
            | "w:stats"
            | "urn:xmpp:whatsapp:dirty"
            | "status"
            | "tos"
            | "w:profile:picture"
            | "spam"
            | "urn:xmpp:whatsapp:account" => result(iq, Vec::new()),
            _ => {
                let first = crate::wa_sim::node::children(iq)
                    .first()
                    .map(|child| child.tag.to_string());
                tracing::info!(space, ?first, set, "request without an answer of its own");
                result(iq, Vec::new())
            }
        }
    }
}

/// Server-side switches: none, in the form the client asked for.
fn props(iq: &Node) -> Vec<Node> {
    let asked = child(iq, "props");
    let protocol = asked
        .and_then(|props| attr(props, "protocol"))
        .unwrap_or("1".into())
        .into_owned();
    let known = asked
        .map(|props| attr_or_empty(props, "hash"))
        .unwrap_or_default();
    let props = el("props")
        .attr("protocol", protocol)
        .attr("hash", "sim")
        .attr("ab_key", "sim");
    let props = props.attr("refresh", "86400").attr("refresh_id", "1");
    vec![
        props
            .attr(
                "delta_update",
                if known.is_empty() { "false" } else { "true" },
            )
            .build(),
    ]
}

/// Everybody may see everything. One client reads the first child unasked.
fn privacy() -> Node {
    let names = [
        "last",
        "online",
        "profile",
        "status",
        "readreceipts",
        "groupadd",
        "calladd",
    ];
    let categories = names.map(|name| {
        el("category")
            .attr("name", name)
            .attr("value", "all")
            .build()
    });
    el("privacy").children(categories).build()
}

fn media_conn() -> Node {
    let host = el("host").attr("hostname", "mmg.whatsapp.net").build();
    el("media_conn")
        .attr("auth", "sim")
        .attr("ttl", "3600")
        .attr("auth_ttl", "21600")
        .attr("max_buckets", "12")
        .children([host])
        .build()
}
