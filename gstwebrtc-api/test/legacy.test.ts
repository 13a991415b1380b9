// SPDX-License-Identifier: MPL-2.0
/** The object of version 1: when it connects, and that it does so once. */

import { describe, expect, it, vi } from "vitest";
import type { GstWebRTCConfig } from "../src/index.js";
import { createLegacyAPI, type LegacyAPI } from "../src/legacy.js";
import { FakeWebSocket } from "./fakes/websocket.js";

class Page {
  config: GstWebRTCConfig | undefined;
  isLoaded = false;
  #callback: (() => void) | undefined;

  onLoaded(callback: () => void): void {
    this.#callback = callback;
  }

  load(): void {
    this.isLoaded = true;
    this.#callback?.();
  }
}

function load(): { page: Page; api: LegacyAPI } {
  const page = new Page();
  return { page, api: createLegacyAPI(page) };
}

const urls = (): string[] => FakeWebSocket.all.map(({ url }) => url);

describe("connecting", () => {
  it("happens when the page has loaded, with its configuration of that moment", () => {
    const { page } = load();
    page.config = { signalingServerUrl: "ws://configured" };
    expect(urls()).toEqual([]);
    page.load();
    expect(urls()).toEqual(["ws://configured"]);
  });

  it("happens when the page has loaded if it was used before", () => {
    const { page, api } = load();
    api.registerConnectionListener({ connected: vi.fn(), disconnected: vi.fn() });
    expect(urls()).toEqual([]);
    page.load();
    expect(urls()).toEqual(["ws://127.0.0.1:8443"]);
  });

  it("happens at the first use after that, once", () => {
    const { page, api } = load();
    page.load();
    expect(urls()).toEqual([]);
    api.getAvailableProducers();
    api.getAvailableProducers();
    expect(urls()).toHaveLength(1);
  });

  it("does not happen on a page that only loads the script", () => {
    const { page, api } = load();
    page.load();
    expect(api.SessionState.streaming).toBe(2);
    expect(urls()).toEqual([]);
  });
});

describe("the object", () => {
  it("is frozen and has the members of version 1", () => {
    const { api } = load();
    expect(Object.isFrozen(api)).toBe(true);
    expect(Object.keys(api).sort()).toEqual([
      "SessionState",
      "createConsumerSession",
      "createProducerSession",
      "getAvailableProducers",
      "registerConnectionListener",
      "registerProducersListener",
      "unregisterAllConnectionListeners",
      "unregisterAllProducersListeners",
      "unregisterConnectionListener",
      "unregisterProducersListener",
    ]);
  });

  it("wants both functions of a producers listener", () => {
    const { page, api } = load();
    page.config = {};
    page.load();
    const listener = { producerAdded: vi.fn(), producerRemoved: vi.fn() };
    expect(api.registerProducersListener({ producerAdded: vi.fn() } as never)).toBe(false);
    expect(api.registerProducersListener(listener)).toBe(true);
    FakeWebSocket.last.register().say({ type: "list", producers: [{ id: "cam", meta: null }] });
    expect(listener.producerAdded).toHaveBeenCalledWith({ id: "cam", meta: {} });
    expect(api.unregisterProducersListener(listener)).toBe(true);
    expect(api.createConsumerSession("cam")?.connect()).toBe(true);
  });
});
