// SPDX-License-Identifier: MPL-2.0
/** Pages written for older versions of the library work unchanged. */

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { openPage, waitForFrames } from "./support/browser.js";
import { version } from "./support/paths.js";
import { until } from "./support/program.js";
import { useScene } from "./support/scene.js";

const scene = useScene();

/** Opens a page and counts the websockets it makes. */
async function openOld(file: string, name = file): Promise<{ page: Page; sockets: string[]; problems: string[] }> {
  const { page, problems } = await openPage(scene.browser, "about:blank");
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  const query = new URLSearchParams({ signalling: scene.signalling.url, version, name });
  await page.goto(`${scene.web.url}/e2e/${file}?${query.toString()}`);
  return { page, sockets, problems };
}

function logOf(page: Page): Promise<string[]> {
  return page.locator("#log li").allInnerTexts();
}

describe("a page of version 1", () => {
  it("connects once, lists, plays, controls and stops", async () => {
    const camera = await scene.openCamera();
    const { page, sockets, problems } = await openOld("legacy-page.html");
    await page.getByText("camera").click();
    await waitForFrames(page);
    expect(await page.locator("#client-id").innerText()).toMatch(/^[0-9a-f-]{36}$/);
    await until("the controller", 20_000, async () => (await logOf(page)).includes("controller on"));
    await page.locator("video").click();
    await until("the click", 20_000, () =>
      camera.evaluate(() => window.controlMessages.some(({ request }) => request.event["event"] === "MouseButtonPress")),
    );
    await page.getByText("camera").click();
    await until("the end", 20_000, async () => (await logOf(page)).includes("closed"));
    expect(await logOf(page)).toEqual(["state 1", "state 2", "controller on", "state 3", "controller off", "closed"]);
    expect(sockets).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it("produces, and is told of its viewers", async () => {
    const { page, problems } = await openOld("legacy-page.html", "old camera");
    await page.getByText("Start capture").click();
    await until("the role", 20_000, async () => (await logOf(page)).includes("producing"));
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("old camera"));
    await waitForFrames(viewer);
    const id = await viewer.evaluate(() => window.api.clientId);
    expect(await logOf(page)).toContain(`client ${id}`);
    await page.getByText("Start capture").click();
    await until("the end", 20_000, () => viewer.evaluate(() => window.session.endReason));
    await until("the client to be gone", 20_000, async () => (await logOf(page)).includes("client left"));
    expect(problems).toEqual([]);
  });

  it("is told when the server is lost and found again", async () => {
    const { page } = await openOld("legacy-page.html");
    const hasId = async (): Promise<boolean> => (await page.locator("#client-id").innerText()) !== "none";
    await until("the connection", 20_000, hasId);
    await scene.signalling.kill();
    await until("the loss", 20_000, async () => !(await hasId()));
    await scene.signalling.restart();
    await until("the connection", 20_000, hasId);
  });
});

describe("a page of version 3", () => {
  it("plays by its own offer, over one connection", async () => {
    await scene.openCamera();
    const { page, sockets, problems } = await openOld("version-3-page.html");
    await waitForFrames(page);
    expect(sockets).toHaveLength(1);
    expect(problems).toEqual([]);
  });
});
