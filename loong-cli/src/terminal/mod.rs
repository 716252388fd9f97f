//! What people and scripts see of a running bridge.
//!
//! A [`Presenter`] turns session states into lines, a QR code and events. It
//! writes to whatever it is given, so that tests read what a person would.

mod events;
mod presenter;
mod qr;
mod qr_png;
mod sanitize;
mod screen;
#[cfg(test)]
mod tests;
mod wording;

pub use self::{
    events::Event,
    presenter::{Presenter, Streams},
    qr::{Matrix, QrError},
    qr_png::QrFile,
    sanitize::plain,
    screen::Screen,
};
