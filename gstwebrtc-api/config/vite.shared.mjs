// SPDX-License-Identifier: MPL-2.0
// Settings that the builds and the development server share.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Folder of the package. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** `package.json`: the only place that says which version this is. */
export const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** First line of every bundle. */
export const banner = `/*! ${manifest.name} ${manifest.version} | ${manifest.license} */`;

/** Browsers of the last years: all of them have what WebRTC needs without a shim. */
export const target = "es2022";
