//! Which account a request, a record or a folder belongs to.

use serde::{Deserialize, Serialize};

/// The messenger surfaces that the contract knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Surface {
    /// A personal WhatsApp account, linked as a companion device.
    #[serde(rename = "whatsapp-personal")]
    WhatsAppPersonal,
    /// A WeChat account behind an iLink bot.
    #[serde(rename = "weixin")]
    Weixin,
}

impl Surface {
    /// The `channel_id` of the contract.
    #[must_use]
    pub const fn channel_id(self) -> &'static str {
        match self {
            Self::WhatsAppPersonal => "whatsapp-personal",
            Self::Weixin => "weixin",
        }
    }

    /// The `platform` member of sessions and targets; for WhatsApp it differs
    /// from the channel id.
    #[must_use]
    pub const fn platform(self) -> &'static str {
        match self {
            Self::WhatsAppPersonal => "whatsapp",
            Self::Weixin => "weixin",
        }
    }

    /// Finds a surface by channel id or alias, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "whatsapp-personal" | "whatsapp-web" | "wa-personal" | "whatsapp-personal-bridge" => {
                Some(Self::WhatsAppPersonal)
            }
            "weixin" | "wechat" | "wx" | "wechat-clawbot" => Some(Self::Weixin),
            _ => None,
        }
    }
}

/// A configured account id in its normal form: lower-case ASCII letters, digits,
/// and single `-` or `_` between them; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Normalises `raw`: other characters become one `-`, runs of separators
    /// collapse to their first, separators at the ends go, and nothing left
    /// means `default`.
    #[must_use]
    pub fn normalize(raw: &str) -> Self {
        let mut id = String::with_capacity(raw.len());
        for c in raw.trim().chars() {
            let mapped = match c {
                c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
                '_' => '_',
                _ => '-',
            };
            let separator = matches!(mapped, '-' | '_');
            if separator && (id.is_empty() || id.ends_with(['-', '_'])) {
                continue;
            }
            id.push(mapped);
        }
        let id = id.trim_end_matches(['-', '_']);
        Self(if id.is_empty() { "default" } else { id }.to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::normalize(&String::deserialize(deserializer)?))
    }
}

/// How an account names itself on the wire when a request does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountIdentity {
    /// The surface it belongs to.
    pub surface: Surface,
    /// The normalised key of the account in the configuration.
    pub configured: AccountId,
    /// The key as written.
    pub configured_label: String,
    /// The runtime identity, which names runtime files and conversations.
    pub runtime_id: String,
    /// Its label.
    pub runtime_label: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_normalise_as_the_contract_says() {
        for (raw, id) in [
            ("Ops Team", "ops-team"),
            ("  A__b--c ", "a_b-c"),
            ("-x-", "x"),
            ("", "default"),
            ("日本", "default"),
            ("a_-b", "a_b"),
        ] {
            assert_eq!(AccountId::normalize(raw).as_str(), id, "{raw:?}");
        }
    }

    #[test]
    fn aliases_find_their_surface() {
        assert_eq!(
            Surface::from_name("WA-Personal"),
            Some(Surface::WhatsAppPersonal)
        );
        assert_eq!(Surface::from_name(" wx "), Some(Surface::Weixin));
        assert_eq!(Surface::from_name("whatsapp"), None);
    }
}
