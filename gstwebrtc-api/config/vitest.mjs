// SPDX-License-Identifier: MPL-2.0
// Unit tests: in Node, against the fakes in test/fakes/.

import { defineConfig } from "vitest/config";
import { root } from "./vite.shared.mjs";

export default defineConfig({
  root,
  test: { include: ["test/**/*.test.ts"], environment: "node", setupFiles: ["test/fakes/globals.ts"] },
});
