//! Pairing by code: the server relays both halves of an exchange that only the
//! typed code opens.

use whatsapp_rust::wacore_binary::Node;

use super::address::DeviceJid;
use super::hub::state::State;
use super::hub::types::{CodePairing, PairError};
use super::node::{
    SERVER, attr, attr_or_empty, bytes, child_content, children, el, error, jid, result,
};

impl State {
    /// Takes the steps of pairing by code that come from the client.
    pub(crate) fn on_link_code(&mut self, session: u64, iq: &Node, step: &Node) -> Node {
        let number = jid(step, "jid")
            .map(|jid| jid.user.to_string())
            .unwrap_or_default();
        if !self.accounts.contains_key(&number) {
            return error(iq, 400, "bad-request");
        }
        match attr(step, "stage").as_deref() {
            Some("companion_hello") => self.companion_hello(session, iq, step, number),
            Some("companion_finish") => self.companion_finish(session, iq, step, &number),
            _ => error(iq, 400, "bad-request"),
        }
    }

    fn companion_hello(&mut self, session: u64, iq: &Node, step: &Node, number: String) -> Node {
        let text = |tag| {
            String::from_utf8_lossy(child_content(step, tag).unwrap_or_default()).into_owned()
        };
        let display = text("companion_platform_display");
        let wrapped = child_content(step, "link_code_pairing_wrapped_companion_ephemeral_pub")
            .unwrap_or_default();
        if wrapped.len() != 80 || (self.strict && !browser_on_system(&display)) {
            return error(iq, 400, "bad-request");
        }
        let link_ref = self.reference().into_bytes();
        let code = CodePairing {
            number: number.clone(),
            link_ref: link_ref.clone(),
            wrapped_companion_ephemeral: wrapped.to_vec(),
            platform_id: text("companion_platform_id"),
            platform_display: display,
        };
        let Some(registering) = self.registering_mut(session) else {
            return error(iq, 400, "bad-request");
        };
        registering.code = Some(code);
        self.tell_phone(&number, "companion_hello", step, &link_ref);
        let reference = bytes("link_code_pairing_ref", &link_ref);
        let answer = el("link_code_companion_reg")
            .attr("stage", "companion_hello")
            .children([reference])
            .build();
        result(iq, vec![answer])
    }

    fn companion_finish(&mut self, session: u64, iq: &Node, step: &Node, number: &str) -> Node {
        let reference = child_content(step, "link_code_pairing_ref").unwrap_or_default();
        let code = self
            .registering_mut(session)
            .and_then(|registering| registering.code.as_ref());
        if code.is_none_or(|code| code.link_ref != reference || code.number != number) {
            return error(iq, 404, "item-not-found");
        }
        self.tell_phone(number, "companion_finish", step, reference);
        result(iq, Vec::new())
    }

    /// Passes a step on to the phone; a phone that is off never hears of it.
    fn tell_phone(&mut self, number: &str, stage: &'static str, step: &Node, reference: &[u8]) {
        let mut content: Vec<Node> = children(step).to_vec();
        content.retain(|child| child.tag != "link_code_pairing_ref");
        content.push(bytes("link_code_pairing_ref", reference));
        let jid = attr_or_empty(step, "jid");
        let step = el("link_code_companion_reg")
            .attr("stage", stage)
            .attr("jid", jid)
            .children(content)
            .build();
        let id = self.next_id();
        let notification = link_notification(&id, self.now(), step);
        self.tell(&DeviceJid::new(number, 0), notification);
    }

    /// The phone typed the code: its half of the exchange goes to the client.
    pub(crate) fn primary_hello(
        &mut self,
        reference: &str,
        wrapped: &[u8],
        identity: &[u8; 32],
    ) -> Result<(), PairError> {
        let (session, registering) = self
            .by_reference(reference)
            .ok_or(PairError::UnknownReference)?;
        let code = registering
            .code
            .as_ref()
            .ok_or(PairError::UnknownReference)?;
        let content = [
            bytes("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
            bytes("primary_identity_pub", identity),
            bytes("link_code_pairing_ref", &code.link_ref),
        ];
        let step = el("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .children(content)
            .build();
        let id = self.next_id();
        let notification = link_notification(&id, self.now(), step);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.write(notification);
        }
        Ok(())
    }
}

fn link_notification(id: &str, now: u64, step: Node) -> Node {
    let notification = el("notification")
        .attr("from", SERVER)
        .attr("type", "link_code_companion_reg");
    notification
        .attr("id", id)
        .attr("t", now)
        .children([step])
        .build()
}

/// What the real server is said to insist on: a browser, and a system in
/// brackets.
fn browser_on_system(display: &str) -> bool {
    const BROWSERS: [&str; 6] = ["Chrome", "Edge", "Firefox", "Opera", "Safari", "IE"];
    const SYSTEMS: [&str; 7] = [
        "Windows",
        "Mac OS",
        "Linux",
        "Ubuntu",
        "Android",
        "iOS",
        "Chrome OS",
    ];
    let Some((browser, system)) = display
        .strip_suffix(')')
        .and_then(|display| display.split_once(" ("))
    else {
        return false;
    };
    BROWSERS.contains(&browser) && SYSTEMS.contains(&system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_browsers_on_real_systems_pass_the_strict_rule() {
        assert!(browser_on_system("Chrome (Linux)"));
        assert!(!browser_on_system("whatsapp-personal-bridge (Loong)"));
        assert!(!browser_on_system("Chrome"));
    }
}
