//! Who asks: `payload.runtime_context`.

use super::{
    ContractError,
    member::{self, Object},
};
use crate::account::Surface;

/// More entries than any real list; keeps a request from costing much.
const MAX_ALLOWED: usize = 10_000;

/// What a request says about its account. Every member is optional on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The channel.
    pub channel_id: Option<String>,
    /// The configured account, as written.
    pub configured_account_id: Option<String>,
    /// The runtime identity.
    pub account_id: Option<String>,
    whatsapp_list: Option<Vec<String>>,
    weixin_list: Option<Vec<String>>,
}

impl RequestContext {
    /// Reads it from an operation's payload.
    ///
    /// # Errors
    /// When a member has the wrong type.
    pub fn parse(payload: &Object) -> Result<Self, ContractError> {
        let Some(context) = member::object(payload, "runtime_context")? else {
            return Ok(Self::default());
        };
        let channel_id = member::string(context, "runtime_context.channel_id")?;
        let mut read = Self {
            channel_id: channel_id.map(str::to_owned),
            ..Self::default()
        };
        if let Some(account) = member::object(context, "runtime_context.account")? {
            read.configured_account_id =
                text(account, "runtime_context.account.configured_account_id")?;
            read.account_id = text(account, "runtime_context.account.account_id")?;
            if let Some(config) = member::object(account, "runtime_context.account.config")? {
                read.whatsapp_list = member::strings(
                    config,
                    "runtime_context.account.config.allowed_chat_ids",
                    MAX_ALLOWED,
                )?;
                read.weixin_list = member::strings(
                    config,
                    "runtime_context.account.config.allowed_contact_ids",
                    MAX_ALLOWED,
                )?;
            }
        }
        Ok(read)
    }

    /// The request's own allowlist, as written. It can only narrow what the bridge
    /// allows; see [`crate::policy::PolicyHandle::narrowing`].
    #[must_use]
    pub fn allowed(&self, surface: Surface) -> Option<&[String]> {
        match surface {
            Surface::WhatsAppPersonal => self.whatsapp_list.as_deref(),
            Surface::Weixin => self.weixin_list.as_deref(),
        }
    }
}

fn text(object: &Object, path: &str) -> Result<Option<String>, ContractError> {
    Ok(member::string(object, path)?
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context(value: serde_json::Value) -> Result<RequestContext, ContractError> {
        let payload = json!({ "runtime_context": value });
        RequestContext::parse(payload.as_object().expect("an object"))
    }

    #[test]
    fn absent_and_null_members_are_fine() {
        for value in [
            json!(null),
            json!({}),
            json!({"account": null}),
            json!({"account": {"config": null}}),
        ] {
            assert_eq!(
                context(value).expect("tolerated"),
                RequestContext::default()
            );
        }
    }

    #[test]
    fn wrong_types_are_refused_by_name() {
        for value in [
            json!(5),
            json!({"account": "x"}),
            json!({"account": {"configured_account_id": 5}}),
            json!({"account": {"config": {"allowed_chat_ids": "*"}}}),
            json!({"account": {"config": {"allowed_chat_ids": [1]}}}),
        ] {
            let error = context(value).expect_err("a wrong type");
            assert!(error.to_string().contains("runtime_context"), "{error}");
        }
    }

    #[test]
    fn each_surface_has_its_own_list() {
        let config = json!({"allowed_chat_ids": ["+1"], "allowed_contact_ids": []});
        let read = context(json!({"account": {"config": config}})).expect("well formed");
        assert_eq!(
            read.allowed(Surface::WhatsAppPersonal),
            Some(&["+1".to_owned()][..])
        );
        assert_eq!(read.allowed(Surface::Weixin), Some(&[][..]));
    }
}
