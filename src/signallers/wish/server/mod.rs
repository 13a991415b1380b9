// SPDX-License-Identifier: MPL-2.0
//! The serving side of WHIP and WHEP (RFC 9725; draft-ietf-wish-whep-03).
//!
//! A request goes from [`front`] (sockets and limits) through [`protocol`] (is it in order?) to the thread of [`actor`], which
//! asks [`machine`] (what follows?) and lets [`host`] tell the element.

pub(crate) mod actions;
mod actor;
mod front;
pub(super) mod host;
mod limits;
mod machine;
mod properties;
mod protocol;
mod response;
mod serving;
mod session;
mod settings;
mod values;

pub(crate) use properties::declare;
pub(crate) use protocol::Kind;
pub(crate) use serving::Serving;
