// SPDX-License-Identifier: MPL-2.0
/**
 * The built page, as a person uses it. With SCREENSHOTS=1 it also renews the pictures in docs/screenshots/.
 */

import { mkdir } from "node:fs/promises";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { openPage, waitForFrames } from "./support/browser.js";
import { screenshotsFolder } from "./support/paths.js";
import { until } from "./support/program.js";
import { useScene } from "./support/scene.js";
import { freePort, SignallingServer } from "./support/servers.js";

const DESKTOP = { width: 1200, height: 860 };
const PHONE = { width: 390, height: 844 };

const scene = useScene();

async function openApp(server = scene.signalling.url): Promise<Page> {
  const { page } = await openPage(scene.browser, `${scene.web.url}/?signalling=${server}`);
  await page.setViewportSize(DESKTOP);
  return page;
}

function openCamera(name = "Front door"): Promise<Page> {
  return scene.openCamera(name);
}

/** Takes a picture in both sizes and colour schemes, and leaves the page as it was. */
async function shoot(page: Page, name: string, variants = ["light"]): Promise<void> {
  if (process.env["SCREENSHOTS"] !== "1") return;
  await mkdir(screenshotsFolder, { recursive: true });
  for (const variant of variants) {
    await page.emulateMedia({ colorScheme: variant.startsWith("dark") ? "dark" : "light" });
    await page.setViewportSize(variant.endsWith("phone") ? PHONE : DESKTOP);
    await page.screenshot({ path: `${screenshotsFolder}/${name}-${variant}.png`, fullPage: variant.endsWith("phone") });
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(DESKTOP);
}

function statusOf(page: Page): Promise<string> {
  return page.locator(".stream .status").first().innerText();
}

describe("the list", () => {
  it("says that nobody sends, then shows who does, then no more", async () => {
    const page = await openApp();
    await page.getByText("Nobody sends at the moment").waitFor();
    await shoot(page, "empty", ["light", "dark-phone"]);
    const camera = await openCamera("<b>Front</b> door");
    await page.getByRole("heading", { name: "<b>Front</b> door" }).waitFor();
    expect(await statusOf(page)).toBe("Available");
    await shoot(page, "available", ["light"]);
    await camera.close();
    await page.getByText("Nobody sends at the moment").waitFor();
  });
});

describe("watching", () => {
  it("plays, draws figures, and stops", async () => {
    await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await waitForFrames(page);
    await until("the state", 20_000, async () => (await statusOf(page)) === "Playing");
    await until("figures", 30_000, async () =>
      ((await page.locator(".facts").textContent()) ?? "").includes("640 × 360 · VP8 + opus"),
    );
    await until("a drawn minute", 30_000, () =>
      page.evaluate(() => (document.querySelector("polyline")?.getAttribute("points") ?? "").split(" ").length > 8),
    );
    expect(await page.locator(".chart", { hasText: "Bitrate" }).innerText()).toMatch(/bit\/s/);
    expect(await page.locator(".chart", { hasText: "Round trip" }).innerText()).toMatch(/\d ms/);
    await shoot(page, "watching", ["light", "dark", "light-phone", "dark-phone"]);
    await page.getByRole("button", { name: "Stop Front door" }).click();
    await until("the state", 20_000, async () => (await statusOf(page)) === "Available");
  });

  it("works by keyboard alone", async () => {
    await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await waitForFrames(page);
  });

  it("tells why it ended, and lets the entry be dismissed", async () => {
    const camera = await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await waitForFrames(page);
    await camera.close();
    await page.getByText("The other side ended the session.").waitFor();
    await shoot(page, "ended", ["light"]);
    await page.getByRole("button", { name: "Dismiss Front door" }).click();
    await page.getByText("Nobody sends at the moment").waitFor();
  });

  it("goes on without the signalling server, and says so", async () => {
    await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await waitForFrames(page);
    await scene.signalling.kill();
    await page.getByText("Playing, without the signalling server").waitFor();
    await page.getByText("Not connected").waitFor();
    await waitForFrames(page);
    await shoot(page, "signalling-lost", ["dark"]);
    await scene.signalling.restart();
    await page.getByText("Connected", { exact: true }).waitFor();
  });
});

describe("remote control", () => {
  it("is taken and given up by hand, and reaches the sender with the right names and places", async () => {
    const camera = await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await waitForFrames(page);
    await page.getByRole("button", { name: "Take control" }).click();
    const box = await page.locator("video").first().boundingBox();
    if (!box) throw new Error("no video");
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.up();
    await page.keyboard.press("Shift+A");
    await page.mouse.wheel(0, 120);
    await shoot(page, "remote-control", ["light"]);
    const events = await until("the wheel", 20_000, async () => {
      const all = await camera.evaluate(() => window.controlMessages.map(({ request }) => request.event));
      return all.some(({ event }) => event === "MouseScroll") ? all : null;
    });
    const press = events.find(({ event }) => event === "MouseButtonPress");
    expect(press).toMatchObject({ button: 1, modifier_state: "button1-mask" });
    expect(Math.abs(Number(press?.["x"]) - 320)).toBeLessThan(2);
    expect(Math.abs(Number(press?.["y"]) - 180)).toBeLessThan(2);
    expect(events.filter(({ event }) => event === "KeyPress").map(({ key }) => key)).toContain("Shift_L");
    expect(events.find(({ event }) => event === "MouseScroll")).toMatchObject({ delta_x: 0, delta_y: -120 });
    await page.keyboard.press("Shift+Escape");
    await page.getByRole("button", { name: "Take control" }).waitFor();
  });

  it("sends requests and shows what is answered", async () => {
    await openCamera();
    const page = await openApp();
    await page.getByRole("button", { name: "Watch Front door" }).click();
    await page.getByText("Control requests").click();
    await page.getByRole("button", { name: "Send request" }).click();
    await page.getByText("request 0: No sink pad could handle the request").waitFor();
  });
});

describe("sending", () => {
  it("offers the camera, shows who watches, and stops", async () => {
    const page = await openApp();
    await page.getByRole("button", { name: "Start capture" }).click();
    await page.getByText("Offered: others can watch now.").waitFor();
    const viewer = await openApp();
    await viewer.locator(".stream .watch").first().click();
    await waitForFrames(viewer);
    await page.locator(".client .status.good").waitFor();
    await waitForFrames(page);
    await until("figures", 30_000, async () => (await page.locator(".client .facts").innerText()).includes("×"));
    await shoot(page, "capture", ["light", "dark-phone"]);
    await page.getByLabel("Source").selectOption("screen");
    await waitForFrames(viewer);
    await page.getByRole("button", { name: "Stop capture" }).click();
    await viewer.getByText("The other side ended the session.").waitFor();
  });

  it("copies the client id", async () => {
    const page = await openApp();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByText("Copied").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe(await page.locator("#client-id").innerText());
    expect(copied).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("without a signalling server", () => {
  it("says where it looked, and connects when one appears", async () => {
    const later = new SignallingServer(await freePort());
    const page = await openApp(later.url);
    await page.getByText(`No signalling server answers at ${later.url}`).waitFor();
    await shoot(page, "not-connected", ["light", "dark-phone"]);
    await later.restart();
    await page.getByText("Connected", { exact: true }).waitFor();
    await later.kill();
  });
});
