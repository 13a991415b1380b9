// SPDX-License-Identifier: MPL-2.0
//! What all sending elements share.

pub(crate) mod encode;
