//! Keeping one session alive: the state machine, the library clients that serve
//! it, and the supervisor that owns both.

mod acks;
mod backoff;
mod gate;
mod link;
mod linking;
mod machine;
mod online;
mod signals;
mod supervisor;

pub(crate) use acks::{Ack, Acks};
pub(crate) use machine::End;
pub(crate) use online::Online;
pub(crate) use signals::Signals;
pub(crate) use supervisor::{Command, Supervisor, SupervisorParts};
