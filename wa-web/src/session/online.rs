//! The client through which messages can be sent right now, if there is one.

use std::sync::{Arc, Mutex, PoisonError};

use whatsapp_rust::Client;

/// Set while the session is online; shared by the supervisor and all senders.
#[derive(Default)]
pub(crate) struct Online(Mutex<Option<Arc<Client>>>);

impl Online {
    pub(crate) fn set(&self, client: Option<Arc<Client>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    pub(crate) fn client(&self) -> Option<Arc<Client>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl std::fmt::Debug for Online {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Online")
            .field(&self.client().is_some())
            .finish()
    }
}
