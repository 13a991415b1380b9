// SPDX-License-Identifier: MPL-2.0
// End-to-end tests: a real Chromium, the built bundles, the signalling server and GStreamer as programs.
//
// Environment, with defaults in e2e/support/paths.ts: CHROMIUM, SIGNALLING_SERVER, GST_PLUGIN_PATH, REQUIRE_ALL.

import { defineConfig } from "vitest/config";
import { root } from "./vite.shared.mjs";

export default defineConfig({
  root,
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    // Encoders and browsers want the machine for themselves.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
