//! How to reach WhatsApp, and how to behave there.

use std::time::Duration;

use crate::{transport::Endpoint, version::VersionPolicy};

/// Options of one session.
#[derive(Debug, Clone)]
pub struct WaOptions {
    /// Where the server is and how to get there.
    pub endpoint: Endpoint,
    /// Which protocol version to speak.
    pub version: VersionPolicy,
    /// Ask for a pairing code as well as showing QR codes.
    pub pairing: Option<PairingRequest>,
    /// The operating system that the phone shows for this device. Phones refuse
    /// pairing codes from systems they do not know.
    pub device_name: String,
    /// Appear online. Off by default, because a visible companion stops the
    /// phone from notifying its owner.
    pub visible: bool,
    /// How often an idle connection is tested.
    pub ping_every: Duration,
    /// How long such a test may take before the connection is given up.
    pub ping_timeout: Duration,
    /// How long to wait for the server's word on a sent message.
    pub ack_timeout: Duration,
}

impl WaOptions {
    /// Options for `endpoint` with the defaults of a home bridge: a dead
    /// connection is found within 40 s.
    #[must_use]
    pub fn new(endpoint: Endpoint, version: VersionPolicy) -> Self {
        Self {
            endpoint,
            version,
            pairing: None,
            device_name: "Linux".to_owned(),
            visible: false,
            ping_every: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(15),
            ack_timeout: Duration::from_secs(7),
        }
    }
}

/// A request to link by code instead of by QR.
#[derive(Debug, Clone)]
pub struct PairingRequest {
    /// The account's number, digits only, with country code.
    pub phone_number: String,
    /// A code chosen by the operator: eight characters, validated.
    pub custom_code: Option<String>,
}
