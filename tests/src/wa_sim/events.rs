//! What happens inside the simulator, as it happens: tests wait for these
//! instead of sleeping, and kill clients at the moments they name.

use serde::Serialize;

use super::address::DeviceJid;

/// One thing that happened. Message texts never appear: the server has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SimEvent {
    /// A connection finished its handshake and asked to be linked.
    Registering {
        /// The first of its QR references.
        reference: String,
    },
    /// A device was linked.
    Paired {
        /// The new device.
        device: DeviceJid,
    },
    /// A device logged in.
    LoggedIn {
        /// The device.
        device: DeviceJid,
        /// Which connection of this simulator, counted from 1.
        session: u64,
        /// Stanzas that wait for it.
        backlog: usize,
    },
    /// A device has everything that waited for it.
    Drained {
        /// The device.
        device: DeviceJid,
    },
    /// A login was refused.
    Refused {
        /// Which device wanted in.
        device: DeviceJid,
        /// The reason given.
        reason: u16,
    },
    /// A connection ended.
    Closed {
        /// The device, if the connection had logged in.
        device: Option<DeviceJid>,
        /// Which connection.
        session: u64,
    },
    /// A frame came from a client; the `n`th of its connection.
    FrameIn {
        /// The device.
        device: DeviceJid,
        /// Counted from 1 after the handshake.
        n: u64,
        /// The stanza's tag.
        tag: String,
    },
    /// A frame went to a client; the `n`th of its connection.
    FrameOut {
        /// The device.
        device: DeviceJid,
        /// Counted from 1 after the handshake.
        n: u64,
        /// The stanza's tag.
        tag: String,
    },
    /// A device handed in a message.
    Submitted {
        /// The sender.
        from: DeviceJid,
        /// The message's id.
        id: String,
    },
    /// The sender was told that its message is queued for everybody.
    Acked {
        /// The sender.
        to: DeviceJid,
        /// The message's id.
        id: String,
    },
    /// A message went out to a device.
    Delivered {
        /// The receiver.
        to: DeviceJid,
        /// The message's id.
        id: String,
    },
    /// A device confirmed that it has a message.
    Receipted {
        /// The receiver.
        by: DeviceJid,
        /// The message's id.
        id: String,
        /// `delivered`, `inactive`, `read`, `retry` …
        kind: String,
    },
    /// A message appeared on a phone's screen.
    Shown {
        /// The phone.
        on: DeviceJid,
        /// The message's id.
        id: String,
    },
    /// A fault took effect.
    Fault {
        /// On whom.
        device: DeviceJid,
        /// Which one.
        fault: &'static str,
    },
}
