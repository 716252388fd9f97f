//! The accounts behind one server, and which of them a request means.

use std::sync::Arc;

use super::ServerError;
use crate::{
    account::{AccountId, AccountIdentity, Surface},
    contract::{ContractError, RequestContext},
    driver::Driver,
    inbox::Inbox,
    outbox::Outbox,
    policy::PolicyHandle,
};

/// Everything that belongs to one account.
#[derive(Debug)]
pub struct AccountRuntime {
    /// How it names itself.
    pub identity: AccountIdentity,
    /// Its messenger.
    pub driver: Arc<dyn Driver>,
    /// What came in.
    pub inbox: Arc<Inbox>,
    /// What goes out.
    pub outbox: Arc<Outbox>,
    /// Who may write.
    pub policy: Arc<PolicyHandle>,
}

#[derive(Debug)]
pub(super) struct Accounts(Vec<Arc<AccountRuntime>>);

impl Accounts {
    pub(super) fn new(accounts: Vec<Arc<AccountRuntime>>) -> Result<Self, ServerError> {
        for (at, account) in accounts.iter().enumerate() {
            let key = |other: &AccountRuntime| {
                (other.identity.surface, other.identity.configured.clone())
            };
            if accounts
                .iter()
                .take(at)
                .any(|other| key(other) == key(account))
            {
                return Err(ServerError::DuplicateAccount {
                    channel: account.identity.surface.channel_id(),
                    account: account.identity.configured.to_string(),
                });
            }
        }
        Ok(Self(accounts))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<AccountRuntime>> {
        self.0.iter()
    }

    /// The account that a request means. A request that names none means the only
    /// one there is; a request that names another is refused, so that a client
    /// with the wrong URL does not write in someone else's name.
    pub(super) fn select(
        &self,
        channel: Option<&str>,
        context: &RequestContext,
    ) -> Result<Arc<AccountRuntime>, ContractError> {
        let surface = self.surface(channel)?;
        if let (Some(surface), Some(inner)) =
            (surface, self.surface(context.channel_id.as_deref())?)
            && surface != inner
        {
            let reason = "channel_id and runtime_context.channel_id differ";
            return Err(ContractError::malformed(reason));
        }
        self.find(surface, context.configured_account_id.as_deref())
    }

    pub(super) fn find(
        &self,
        surface: Option<Surface>,
        configured: Option<&str>,
    ) -> Result<Arc<AccountRuntime>, ContractError> {
        let candidates: Vec<_> = self
            .iter()
            .filter(|account| surface.is_none_or(|surface| account.identity.surface == surface))
            .collect();
        let asked = configured.map(AccountId::normalize);
        let mut matching = candidates.iter().filter(|account| {
            asked
                .as_ref()
                .is_none_or(|id| account.identity.configured == *id)
        });
        match (matching.next(), matching.next(), asked) {
            (Some(account), None, _) => Ok(Arc::clone(account)),
            (None, _, Some(_)) => Err(ContractError::WrongAccount {
                surface: candidates
                    .first()
                    .map_or(Surface::WhatsAppPersonal, |account| {
                        account.identity.surface
                    }),
                asked: configured.unwrap_or_default().chars().take(64).collect(),
                served: names(&candidates),
            }),
            (None, _, None) => Err(ContractError::Internal("the bridge has no account")),
            (Some(_), Some(_), _) => Err(ContractError::AmbiguousAccount {
                served: names(&candidates),
            }),
        }
    }

    /// The surface by a channel's name, if this server has it.
    pub(super) fn surface(&self, channel: Option<&str>) -> Result<Option<Surface>, ContractError> {
        let Some(asked) = channel else {
            return Ok(None);
        };
        let surface = Surface::from_name(asked).filter(|surface| {
            self.iter()
                .any(|account| account.identity.surface == *surface)
        });
        surface.map(Some).ok_or_else(|| {
            let mut served: Vec<_> = self
                .iter()
                .map(|account| account.identity.surface.channel_id())
                .collect();
            served.sort_unstable();
            served.dedup();
            ContractError::WrongChannel {
                asked: asked.chars().take(64).collect(),
                served: served.join(", "),
            }
        })
    }
}

fn names(accounts: &[&Arc<AccountRuntime>]) -> String {
    let names: Vec<_> = accounts
        .iter()
        .map(|account| account.identity.configured.as_str())
        .collect();
    names.join(", ")
}
