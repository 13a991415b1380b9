// SPDX-License-Identifier: MPL-2.0
// The page: `npm start` serves it with HTTPS, which cameras need, and passes /webrtc on to the signalling server.
//
// Environment: SIGNALLING_SERVER_URL, default ws://127.0.0.1:8443.

import basicSsl from "@vitejs/plugin-basic-ssl";
import { defineConfig } from "vite";
import { root, target } from "./vite.shared.mjs";

const signalling = process.env.SIGNALLING_SERVER_URL ?? "ws://127.0.0.1:8443";

export default defineConfig(({ command }) => ({
  root,
  // Relative addresses: the page may be served from any folder.
  base: "./",
  plugins: command === "serve" ? [basicSsl()] : [],
  server: {
    port: 9090,
    strictPort: true,
    host: true,
    proxy: { "/webrtc": { target: signalling, ws: true, secure: false, changeOrigin: true } },
  },
  build: { target, outDir: "dist", emptyOutDir: false, assetsDir: "page", sourcemap: true },
}));
