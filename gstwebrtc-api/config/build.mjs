// SPDX-License-Identifier: MPL-2.0
// Builds everything in dist/: the two bundles of the library, its types, and the page. Prints the bundles' sizes and
// fails if one has grown past its limit.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { banner, manifest, root, target } from "./vite.shared.mjs";

/** Largest size of a bundle, gzipped. */
const LIMIT_BYTES = 30_000;

const dist = join(root, "dist");
const bundles = [
  { entry: "src/script.ts", format: "iife", file: `${manifest.name}-${manifest.version}.min.js` },
  { entry: "src/index.ts", format: "es", file: `${manifest.name}-${manifest.version}.esm.js` },
];

rmSync(dist, { recursive: true, force: true });
for (const { entry, format, file } of bundles) {
  await build({
    configFile: false,
    root,
    logLevel: "warn",
    esbuild: { legalComments: "inline" },
    build: {
      target,
      outDir: dist,
      emptyOutDir: false,
      sourcemap: true,
      minify: "esbuild",
      lib: { entry, formats: [format], name: "gstwebrtc", fileName: () => file },
      rollupOptions: { output: { banner, exports: "named", extend: true } },
    },
  });
}
await build({ configFile: join(root, "config/vite.page.mjs"), root, logLevel: "warn" });
execFileSync("npx", ["tsc", "--project", "config/tsconfig.types.json"], { cwd: root, stdio: "inherit" });

for (const { file } of bundles) {
  const code = readFileSync(join(dist, file));
  const zipped = gzipSync(code, { level: 9 }).length;
  console.log(`${file}: ${kilobytes(code.length)}, ${kilobytes(zipped)} gzipped`);
  if (zipped > LIMIT_BYTES) throw new Error(`${file} is larger than ${kilobytes(LIMIT_BYTES)} gzipped`);
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
