// SPDX-License-Identifier: MPL-2.0
/** The page and a signalling server that talks nonsense, or repeats the nonsense of others. */

import type { Page, WebSocketRoute } from "playwright-core";
import { describe, expect, it } from "vitest";
import { openPage } from "./support/browser.js";
import { until } from "./support/program.js";
import { useScene } from "./support/scene.js";

const scene = useScene();

/** A page registered with a server that the test plays. */
async function openWithServer(): Promise<{ page: Page; problems: string[]; say: (message: unknown) => void }> {
  let route: WebSocketRoute | null = null;
  const say = (message: unknown): void => {
    route?.send(typeof message === "string" || message instanceof Buffer ? message : JSON.stringify(message));
  };
  const { page, problems } = await openPage(scene.browser, "about:blank", (page) =>
    page.routeWebSocket(/./, (socket) => {
      route = socket;
      socket.onMessage((text) => {
        const { type, roles } = JSON.parse(text.toString()) as { type: string; roles?: string[] };
        if (type === "setPeerStatus") say({ type: "peerStatusChanged", peerId: "me", roles, meta: null });
        if (type === "startSession") say({ type: "sessionStarted", peerId: "camera", sessionId: "session" });
      });
      say({ type: "welcome", peerId: "me" });
    }),
  );
  await page.goto(`${scene.web.url}/?signalling=ws://signalling.test/`);
  await page.getByText("Connected", { exact: true }).waitFor();
  return { page, problems, say };
}

function camera(name: string): unknown {
  return { type: "peerStatusChanged", peerId: "camera", roles: ["producer"], meta: { name } };
}

describe("a server that talks nonsense", () => {
  it("is put up with", async () => {
    const { page, problems, say } = await openWithServer();
    const nonsense = [
      Buffer.from([1, 2, 3]),
      "",
      "null",
      "[".repeat(50_000),
      { type: "constructor" },
      { type: "__proto__" },
      { type: "welcome" },
      { type: "peer", sessionId: "unknown", ice: { candidate: 5 } },
      { type: "peerStatusChanged", peerId: "odd", roles: [null, 7], meta: [] },
      { type: "list", producers: [null, { id: 1 }, { id: "", meta: {} }] },
      { type: "error", details: "x".repeat(5_000_000) },
      { type: "startSession", peerId: "nobody", sessionId: "unasked", offer: "v=0" },
    ];
    for (const message of nonsense) say(message);
    say(camera("Front door"));
    await page.getByRole("heading", { name: "Front door" }).waitFor();
    expect(await page.locator(".stream").count()).toBe(1);
    expect(problems).toEqual([]);
  });

  it("cannot fill the page, nor put markup into it", async () => {
    const { page, problems, say } = await openWithServer();
    say({ type: "error", details: "<img src=x onerror=alert(1)>".repeat(1000) });
    say(camera("<b>x</b>".repeat(1000)));
    await page.getByText("The signalling server says: <img").waitFor();
    expect((await page.locator("#problem").innerText()).length).toBeLessThan(400);
    expect((await page.locator(".stream h3").innerText()).length).toBeLessThan(100);
    await page.setViewportSize({ width: 320, height: 640 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBe(0);
    expect(problems).toEqual([]);
  });
});

describe("a producer whose offer is nonsense", () => {
  it("ends the session with a reason in words, and can be tried again", async () => {
    const { page, problems, say } = await openWithServer();
    say(camera("Front door"));
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await until("the session", 20_000, () => {
      say({ type: "peer", sessionId: "session", sdp: { type: "offer", sdp: "v=0\r\nnonsense" } });
      return page.getByText("do not understand each other").isVisible();
    });
    await page.getByRole("button", { name: "Watch again Front door" }).waitFor();
    expect(problems).toEqual([]);
  });
});
