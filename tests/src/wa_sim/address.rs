//! Which device: the simulator's own name for one, whatever form a JID had.

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore_binary::Jid;

/// A device of an account, named by phone number. Device 0 is the phone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DeviceJid {
    /// The account's number: digits, with the country code.
    pub number: String,
    /// The device; 0 is the phone.
    pub device: u16,
}

impl DeviceJid {
    /// Names a device.
    #[must_use]
    pub fn new(number: impl Into<String>, device: u16) -> Self {
        Self {
            number: number.into(),
            device,
        }
    }

    /// The device's JID by number, for example `15550001111:2@s.whatsapp.net`.
    #[must_use]
    pub fn pn(&self) -> Jid {
        Jid::pn_device(self.number.as_str(), self.device)
    }

    /// The account's JID by number, for example `15550001111@s.whatsapp.net`.
    #[must_use]
    pub fn bare(&self) -> Jid {
        Jid::pn(self.number.as_str())
    }
}

impl std::fmt::Display for DeviceJid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, self.device)
    }
}
