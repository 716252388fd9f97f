//! Logging in by QR code: `get_bot_qrcode` and `get_qrcode_status`.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// The answer of `get_bot_qrcode`.
#[derive(Debug, Clone, Deserialize)]
pub struct QrCode {
    /// The handle to poll with.
    pub qrcode: SecretString,
    /// The text to draw; the handle itself where it is missing.
    #[serde(default)]
    qrcode_img_content: Option<SecretString>,
}

impl QrCode {
    /// The text to draw as a QR code.
    #[must_use]
    pub fn drawn(&self) -> &SecretString {
        self.qrcode_img_content.as_ref().unwrap_or(&self.qrcode)
    }
}

/// Where a login stands. The wire keeps its own spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum QrStatus {
    /// Nothing yet.
    Wait,
    /// Scanned, or the verification code was right.
    Scanned,
    /// The phone shows digits that must be typed here.
    NeedVerifyCode,
    /// Too many wrong digits; this QR code is dead.
    VerifyCodeBlocked,
    /// The QR code is too old.
    Expired,
    /// Go on at another host.
    ScannedButRedirect,
    /// A token we sent along is already bound to this user; it stays valid.
    BoundRedirect,
    /// Done; the credentials are in the same answer.
    Confirmed,
    /// A status this version does not know; poll on.
    Unknown(String),
}

impl From<&str> for QrStatus {
    fn from(wire: &str) -> Self {
        match wire.trim() {
            "wait" => Self::Wait,
            "scaned" => Self::Scanned,
            "need_verifycode" => Self::NeedVerifyCode,
            "verify_code_blocked" => Self::VerifyCodeBlocked,
            "expired" => Self::Expired,
            "scaned_but_redirect" => Self::ScannedButRedirect,
            "binded_redirect" => Self::BoundRedirect,
            "confirmed" => Self::Confirmed,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for QrStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// The answer of `get_qrcode_status`.
#[derive(Debug, Clone, Deserialize)]
pub struct QrPoll {
    /// Where the login stands.
    pub status: QrStatus,
    #[serde(default)]
    bot_token: Option<SecretString>,
    #[serde(default)]
    ilink_bot_id: Option<String>,
    #[serde(default)]
    ilink_user_id: Option<String>,
    #[serde(default)]
    baseurl: Option<String>,
    /// Where to go on, with [`QrStatus::ScannedButRedirect`].
    #[serde(default)]
    pub redirect_host: Option<String>,
}

/// What a confirmed login yields.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The token for all further calls.
    pub bot_token: SecretString,
    /// The bot's id, `<12 hex>@im.bot`.
    pub bot_id: Option<String>,
    /// The user who scanned, `<opaque>@im.wechat`; its letter case matters.
    pub user_id: Option<String>,
    /// The origin for further calls; the one that answered where it is missing.
    pub base_url: Option<String>,
}

/// A confirmation that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncompleteLogin {
    /// Without a token nothing can be called.
    #[error("the confirmation carries no bot token")]
    NoToken,
    /// Without either id the account cannot be named.
    #[error("the confirmation names neither the bot nor the user")]
    NoIdentity,
}

impl QrPoll {
    /// The credentials of a confirmed login; blank fields count as missing.
    ///
    /// # Errors
    /// When the token, or both ids, are missing.
    pub fn credentials(&self) -> Result<Credentials, IncompleteLogin> {
        use secrecy::ExposeSecret as _;
        let present = |text: &Option<String>| {
            text.as_deref()
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let bot_token = self
            .bot_token
            .clone()
            .filter(|token| !token.expose_secret().trim().is_empty())
            .ok_or(IncompleteLogin::NoToken)?;
        let (bot_id, user_id) = (present(&self.ilink_bot_id), present(&self.ilink_user_id));
        if bot_id.is_none() && user_id.is_none() {
            return Err(IncompleteLogin::NoIdentity);
        }
        Ok(Credentials {
            bot_token,
            bot_id,
            user_id,
            base_url: present(&self.baseurl),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(json: &str) -> QrPoll {
        serde_json::from_str(json).expect("valid answer")
    }

    #[test]
    fn all_eight_statuses_and_unknown_ones_are_told_apart() {
        for (wire, status) in [
            ("wait", QrStatus::Wait),
            ("scaned", QrStatus::Scanned),
            ("need_verifycode", QrStatus::NeedVerifyCode),
            ("verify_code_blocked", QrStatus::VerifyCodeBlocked),
            ("expired", QrStatus::Expired),
            ("scaned_but_redirect", QrStatus::ScannedButRedirect),
            ("binded_redirect", QrStatus::BoundRedirect),
            ("confirmed", QrStatus::Confirmed),
            ("later", QrStatus::Unknown("later".to_owned())),
        ] {
            assert_eq!(poll(&format!(r#"{{"status":"{wire}"}}"#)).status, status);
        }
    }

    #[test]
    fn a_confirmation_needs_a_token_and_a_name() {
        let no_token = poll(r#"{"status":"confirmed","bot_token":" ","ilink_bot_id":"b"}"#);
        assert_eq!(no_token.credentials().err(), Some(IncompleteLogin::NoToken));
        let nameless = poll(r#"{"status":"confirmed","bot_token":"t","ilink_user_id":""}"#);
        assert_eq!(
            nameless.credentials().err(),
            Some(IncompleteLogin::NoIdentity)
        );
        let good =
            poll(r#"{"status":"confirmed","bot_token":"t0ken","ilink_user_id":"U@im.wechat"}"#);
        let credentials = good.credentials().expect("complete");
        assert_eq!(credentials.user_id.as_deref(), Some("U@im.wechat"));
        assert!(!format!("{good:?}{credentials:?}").contains("t0ken"));
    }

    #[test]
    fn the_handle_is_drawn_when_there_is_nothing_better() {
        use secrecy::ExposeSecret as _;
        let bare: QrCode = serde_json::from_str(r#"{"qrcode":"q1"}"#).expect("valid");
        assert_eq!(bare.drawn().expose_secret(), "q1");
    }
}
