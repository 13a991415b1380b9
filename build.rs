// SPDX-License-Identifier: MPL-2.0
//! Records version, commit and release date for the plugin's registry entry.

fn main() {
    gst_plugin_version_helper::info();
}
