// SPDX-License-Identifier: MPL-2.0
/**
 * Entry of the bundle for a `<script>` tag: defines the globals `GstWebRTCAPI` and, for pages written for
 * version 1, `gstWebRTCAPI`.
 *
 * @module
 */

import { GstWebRTCAPI } from "./api.js";
import type { GstWebRTCConfig } from "./config.js";
import { createLegacyAPI } from "./legacy.js";

const globals = globalThis as typeof globalThis & Record<string, unknown>;

let hasContentLoaded = false;
document.addEventListener("DOMContentLoaded", () => (hasContentLoaded = true), { once: true });

const legacy = createLegacyAPI({
  get config() {
    return globals["gstWebRTCConfig"] as GstWebRTCConfig | undefined;
  },
  get isLoaded() {
    // Deferred scripts run before the event, and may still set the configuration.
    return document.readyState === "complete" || hasContentLoaded;
  },
  onLoaded(callback) {
    if (document.readyState === "complete") callback();
    else document.addEventListener("DOMContentLoaded", callback, { once: true });
  },
});

globals["GstWebRTCAPI"] ??= GstWebRTCAPI;
globals["gstWebRTCAPI"] ??= legacy;
