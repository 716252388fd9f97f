//! `loong.toml`: where it lies, what it says, and what follows from it.
//!
//! Two layers. [`RawConfig`] is the file as written: every value with its place, nothing
//! defaulted; keys that nobody knows are kept out of the way and, inside our own
//! tables, warned about. [`WhatsAppAccount`] is what a command works with: one account,
//! each value with the [`Origin`] that decided it.
//!
//! Precedence, in one sentence: flag, else the literal of the account, else the
//! literal of the channel, else the environment variable that the pointer of the
//! account, else of the channel, else the built-in pointer names, else the default.
//!
//! Nothing here reads the process environment by itself: it is handed an
//! [`Environment`], so that tests need none of it.

mod account;
mod endpoint;
mod env_pointer;
mod environment;
mod issue;
mod load;
mod raw;
mod reader;
mod resolve;
mod secret;
mod setting;
mod source;
#[cfg(test)]
mod tests;
mod validate;

pub use self::{
    account::{ChannelAccount, Selection, WeixinAccount, WhatsAppAccount},
    endpoint::{BridgeEndpoint, EndpointError},
    environment::{Environment, Home},
    issue::{ConfigError, Issue, Severity},
    load::{Config, ConfigPlace},
    raw::{RawAccount, RawChannel, RawConfig, RawNamedAccount, RawRuntimePlugins, Surfaces},
    resolve::{AccountError, Overrides},
    secret::{SecretError, SecretRef},
    setting::{Origin, Setting},
    source::{Located, Position},
};
