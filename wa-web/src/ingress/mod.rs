//! Where WhatsApp's messages enter the bridge.
//!
//! The library calls [`Hook`] for every decrypted message and sends the receipt
//! only after it returned `Ok`; the hook returns `Ok` only after the inbox has
//! the message on disk. Nothing else feeds the inbox, except messages that the
//! phone hands over a second time because we could not decrypt them (they carry
//! no receipt of ours).

mod address;
mod classify;
mod hook;

pub(crate) use hook::Hook;
