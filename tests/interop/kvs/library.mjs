// SPDX-License-Identifier: MPL-2.0
// The vendor's browser library, in Node and for pages.
//
// Its bundle holds all it needs. What the package declares as dependencies (jsdom, a polyfill with React Native) is for
// its other form; `overrides` in package.json keeps that from being installed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import vm from "node:vm";

const path = createRequire(import.meta.url).resolve("amazon-kinesis-video-streams-webrtc/dist/kvs-webrtc.js");

/** The library as a script of a page. */
export const librarySource = readFileSync(path, "utf8");

/** The library's exports: `SignalingClient`, `SigV4RequestSigner`, `Role`. `WebSocket` is what its client connects by. */
export function loadLibrary(WebSocket) {
  globalThis.window ??= globalThis;
  globalThis.WebSocket ??= WebSocket;
  vm.runInThisContext(librarySource, { filename: path });
  return globalThis.KVSWebRTC;
}
