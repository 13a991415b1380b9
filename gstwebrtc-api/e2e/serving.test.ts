// SPDX-License-Identifier: MPL-2.0
/** How the page is served, and how it finds the signalling server from there. */

import { createServer, type ViteDevServer } from "vite";
import type { Browser, Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openBrowser, openPage } from "./support/browser.js";
import { freePort, SignallingServer, startWebServer } from "./support/servers.js";

let signalling: SignallingServer;
let browser: Browser | null = null;

beforeEach(async () => {
  signalling = await SignallingServer.start();
});

afterEach(async () => {
  await browser?.close();
  await signalling.kill();
});

async function startDevelopmentServer(port: number): Promise<ViteDevServer> {
  process.env["SIGNALLING_SERVER_URL"] = signalling.url;
  const server = await createServer({ configFile: "config/vite.page.mjs", server: { port }, logLevel: "silent" });
  return server.listen();
}

/** Opens a page and notes the websockets it makes, from the first on. */
async function openAndWatch(
  browser: Browser,
  url: string,
): Promise<{ page: Page; problems: string[]; sockets: string[] }> {
  const { page, problems } = await openPage(browser, "about:blank");
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(url);
  return { page, problems, sockets };
}

describe("npm start", () => {
  it("serves the page with HTTPS and passes /webrtc on to the signalling server", async () => {
    const port = await freePort();
    const server = await startDevelopmentServer(port);
    browser = await openBrowser();
    const { page, problems, sockets } = await openAndWatch(browser, `https://localhost:${port}/`);
    await page.getByText("Connected", { exact: true }).waitFor();
    expect(sockets).toContain(`wss://localhost:${port}/webrtc`);
    expect(await page.evaluate(() => typeof navigator.mediaDevices)).toBe("object");
    expect(problems).toEqual([]);
    await server.close();
  });
});

describe("any web server", () => {
  it("that has no /webrtc leads to port 8443 of its host", async () => {
    const web = await startWebServer();
    // The page sees a host whose ports are those of a fresh installation.
    const rules = `MAP streams.test:80 127.0.0.1:${web.port}, MAP streams.test:8443 127.0.0.1:${signalling.port}`;
    browser = await openBrowser([`--host-resolver-rules=${rules}`]);
    const { page, sockets } = await openAndWatch(browser, "http://streams.test/");
    await page.getByText("Connected", { exact: true }).waitFor();
    expect(sockets).toEqual(["ws://streams.test/webrtc", "ws://streams.test:8443/"]);
    await web.stop();
  });
});
