// SPDX-License-Identifier: MPL-2.0
/** Where the programs under test are, and whether they are there. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { manifest } from "../../config/vite.shared.mjs";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** The built library and page. */
export const distFolder = fileURLToPath(new URL("../../dist", import.meta.url));

/** Pages that only tests use. */
export const pagesFolder = fileURLToPath(new URL("../pages", import.meta.url));

/** Where `SCREENSHOTS=1` puts pictures of the page. */
export const screenshotsFolder = `${repository}docs/screenshots`;

/** The signalling server. */
export const signallingServer =
  process.env["SIGNALLING_SERVER"] ?? `${repository}target/debug/gst-webrtc-signalling-server`;

/** Environment of GStreamer programs. */
export const gstreamerEnvironment = {
  ...process.env,
  GST_PLUGIN_PATH: process.env["GST_PLUGIN_PATH"] ?? `${repository}target/debug`,
};

/** Python with the GStreamer bindings of the distribution. */
export const python = process.env["PYTHON"] ?? "/usr/bin/python3";

/** Version in the names of the bundles. */
export const version = (manifest as { version: string }).version;

/** Whether GStreamer knows an element; with REQUIRE_ALL=1 it has to. */
export function hasElement(name: string): boolean {
  try {
    execFileSync("gst-inspect-1.0", [name], { env: gstreamerEnvironment, stdio: "ignore" });
    return true;
  } catch {
    if (process.env["REQUIRE_ALL"] === "1") throw new Error(`GStreamer element ${name} is missing`);
    console.error(`not run: tests that need the GStreamer element ${name}, which was not found`);
    return false;
  }
}

/** Fails with a sentence instead of a riddle if something was not built. */
export function requireBuilt(): void {
  for (const [path, how] of [
    [distFolder, "npm run build"],
    [signallingServer, "cargo build -p gst-plugin-webrtc-signalling"],
  ] as const) {
    if (!existsSync(path)) throw new Error(`${path} is missing: ${how}`);
  }
}
