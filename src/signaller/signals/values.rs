// SPDX-License-Identifier: MPL-2.0
//! Reading the values of an emission, by their place; the first is the emitter.
//!
//! `None` stands for a value that is missing, NULL or of another type: other languages may pass anything. Any thread;
//! who gets `None` logs that the emission was not complete and ignores it.

use gst::glib;
use gst::glib::value::FromValue;

use super::Signallable;

pub(super) fn emitter(values: &[glib::Value]) -> Option<Signallable> {
    read(values, 0)
}

pub(super) fn read<T>(values: &[glib::Value], index: usize) -> Option<T>
where
    for<'v> Option<T>: FromValue<'v>,
{
    values.get(index)?.get::<Option<T>>().ok().flatten()
}
