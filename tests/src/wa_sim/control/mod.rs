//! The simulator's control API: JSON over HTTP on the port of the WebSocket.
//!
//! Everything a test does to the simulated world goes through here, so that it
//! can also be done to a simulator in another process. `tests/README.md`
//! documents each call; [`crate::sim_client`] is the client.

pub(crate) mod devices;
mod error;
mod groups;
mod pairing;
mod phones;
pub mod types;
mod world;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::phone::book::PhoneBook;

pub use error::ControlError;

/// What the calls work on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    book: PhoneBook,
    shutdown: Arc<CancellationToken>,
}

impl Control {
    /// Controls the phones of `book` and the server behind them.
    #[must_use]
    pub fn new(book: PhoneBook) -> Self {
        Self {
            book,
            shutdown: Arc::default(),
        }
    }

    /// The phones.
    #[must_use]
    pub const fn book(&self) -> &PhoneBook {
        &self.book
    }

    /// Cancelled when somebody asked the simulator to end.
    #[must_use]
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.book.hub()
    }
}

/// The routes.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/admin/mock-phone/scan-qr", post(pairing::scan_any))
        .route("/__sim/info", get(world::info))
        .route("/__sim/phones", get(phones::list).post(phones::create))
        .route("/__sim/phones/{number}", get(phones::show))
        .route("/__sim/phones/{number}/scan", post(pairing::scan))
        .route(
            "/__sim/phones/{number}/enter-code",
            post(pairing::enter_code),
        )
        .route("/__sim/phones/{number}/send", post(phones::send))
        .route("/__sim/phones/{number}/read", post(phones::read))
        .route("/__sim/phones/{number}/typing", post(phones::typing))
        .route("/__sim/phones/{number}/online", put(phones::online))
        .route(
            "/__sim/phones/{number}/forget-session",
            post(phones::forget_session),
        )
        .route("/__sim/phones/{number}/vouch", post(devices::vouch))
        .route("/__sim/phones/{number}/prime", post(devices::prime))
        .route("/__sim/phones/{number}/log/{list}", get(phones::log))
        .route("/__sim/devices", post(devices::register))
        .route("/__sim/devices/{device}", delete(devices::remove))
        .route("/__sim/groups", post(groups::create))
        .route(
            "/__sim/groups/{group}/members",
            get(groups::members).post(groups::change),
        )
        .route("/__sim/clients", get(world::clients))
        .route("/__sim/events", get(world::events))
        .route("/__sim/ledger", get(world::ledger))
        .route("/__sim/ledger/{id}", get(world::ledger_entry))
        .route(
            "/__sim/faults",
            post(world::inject).delete(world::clear_faults),
        )
        .route("/__sim/clock", put(world::set_clock))
        .route("/__sim/shutdown", post(world::shutdown))
        .fallback(error::unknown_call)
        .with_state(control)
}
