// SPDX-License-Identifier: MPL-2.0
/** Registering with the signalling server, losing it, coming back. */

import { describe, expect, it, vi } from "vitest";
import { GstWebRTCAPI } from "../src/index.js";
import { connectedPage, record } from "./fakes/page.js";
import { FakeWebSocket } from "./fakes/websocket.js";

describe("registering", () => {
  it("connects to the default address when the object is made", () => {
    new GstWebRTCAPI();
    expect(FakeWebSocket.last.url).toBe("ws://127.0.0.1:8443");
  });

  it("announces itself as a listener with its meta after the welcome", () => {
    const meta = { name: "page" };
    new GstWebRTCAPI({ meta });
    const socket = FakeWebSocket.last.accept().say({ type: "welcome", peerId: "me" });
    expect(socket.sent).toEqual([
      { type: "setProtocolVersion", version: "v1_1" },
      { type: "setPeerStatus", roles: ["listener"], meta },
    ]);
  });

  it("is connected when the server reports its own role back, then asks for the lists", () => {
    const api = new GstWebRTCAPI();
    const connected = vi.fn();
    api.registerConnectionListener({ connected, disconnected: vi.fn() });
    const socket = FakeWebSocket.last.accept().say({ type: "welcome", peerId: "me" });
    expect(connected).not.toHaveBeenCalled();
    expect(api.isConnected).toBe(false);
    socket.say({ type: "peerStatusChanged", peerId: "me", roles: ["listener"], meta: null });
    expect(connected).toHaveBeenCalledExactlyOnceWith("me");
    expect(api.clientId).toBe("me");
    expect(socket.sent.slice(2)).toEqual([{ type: "list" }, { type: "listConsumers" }]);
  });

  it("announces a changed meta", () => {
    const { api, socket } = connectedPage();
    api.setMeta({ name: "renamed" });
    expect(socket.sent.at(-1)).toEqual({ type: "setPeerStatus", roles: ["listener"], meta: { name: "renamed" } });
  });

  it("waits for connect() without autoConnect", () => {
    const api = new GstWebRTCAPI({ autoConnect: false });
    expect(FakeWebSocket.all).toHaveLength(0);
    api.connect({ signalingServerUrl: "ws://elsewhere" });
    expect(FakeWebSocket.last.url).toBe("ws://elsewhere");
  });
});

describe("a list of addresses", () => {
  const signalingServerUrl = ["ws://first", "ws://second"];

  it("is tried in turn until one answers", () => {
    new GstWebRTCAPI({ signalingServerUrl });
    FakeWebSocket.last.drop();
    vi.advanceTimersByTime(0);
    expect(FakeWebSocket.all.map(({ url }) => url)).toEqual(signalingServerUrl);
  });

  it("starts over after the wait", () => {
    new GstWebRTCAPI({ signalingServerUrl });
    FakeWebSocket.last.drop();
    vi.advanceTimersByTime(0);
    FakeWebSocket.last.drop();
    expect(FakeWebSocket.all).toHaveLength(2);
    vi.advanceTimersByTime(2500);
    expect(FakeWebSocket.last.url).toBe("ws://first");
  });

  it("gives up an address that accepts and then says nothing", () => {
    new GstWebRTCAPI({ signalingServerUrl });
    FakeWebSocket.last.accept();
    vi.advanceTimersByTime(10_001);
    expect(FakeWebSocket.last.url).toBe("ws://second");
  });

  it("goes on after an address that is no address", () => {
    const api = new GstWebRTCAPI({ signalingServerUrl: ["nonsense", "ws://second"], autoConnect: false });
    const errors = record(api, ["error"]);
    api.connect();
    vi.advanceTimersByTime(0);
    expect(errors).toEqual(["error"]);
    expect(FakeWebSocket.last.url).toBe("ws://second");
  });
});

describe("a lost connection", () => {
  it("is reported, with the peers that were known, and made again", () => {
    const { api, socket } = connectedPage();
    socket.say({ type: "list", producers: [{ id: "cam", meta: null }] });
    const calls: string[] = [];
    api.registerPeerListener({ producerRemoved: ({ id }) => calls.push(`removed ${id}`) });
    api.registerConnectionListener({ connected: (id) => calls.push(id), disconnected: () => calls.push("lost") });
    socket.drop();
    expect(calls).toEqual(["removed cam", "lost"]);
    expect(api.isConnected).toBe(false);
    vi.advanceTimersByTime(2500);
    FakeWebSocket.last.register("me again");
    expect(calls.at(-1)).toBe("me again");
  });

  it("is waited for longer each time", () => {
    connectedPage().socket.drop();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const before = Date.now();
      vi.advanceTimersToNextTimer();
      waits.push(Date.now() - before);
      FakeWebSocket.last.drop();
    }
    expect(waits[0]).toBe(2500);
    expect([...waits].sort((a, b) => a - b)).toEqual(waits);
  });

  it("is left alone with a reconnectionTimeout of 0", () => {
    connectedPage({ reconnectionTimeout: 0 }).socket.drop();
    vi.advanceTimersByTime(3_600_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });

  it("is made again at once when the network returns", () => {
    connectedPage().socket.drop();
    globalThis.dispatchEvent(new Event("online"));
    expect(FakeWebSocket.all).toHaveLength(2);
  });
});

describe("closing", () => {
  it("ends in good order and does not come back", () => {
    const { api, socket } = connectedPage();
    const events = record(api, ["disconnected"]);
    api.close();
    expect(socket.closeCode).toBe(1000);
    expect(events).toEqual(["disconnected"]);
    vi.advanceTimersByTime(3_600_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });

  it("may happen in the callback that reports the loss", () => {
    const { api, socket } = connectedPage();
    api.registerConnectionListener({ connected: vi.fn(), disconnected: () => api.close() });
    socket.drop();
    vi.advanceTimersByTime(3_600_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });

  it("is done by a signal", () => {
    const abort = new AbortController();
    const { socket } = connectedPage({ signal: abort.signal });
    abort.abort();
    expect(socket.closeCode).toBe(1000);
  });

  it("connects again when asked to", () => {
    const { api } = connectedPage();
    api.close();
    api.connect();
    expect(FakeWebSocket.all).toHaveLength(2);
  });
});

describe("listeners", () => {
  it("need their functions", () => {
    const { api } = connectedPage();
    const connected = (): void => undefined;
    expect(api.registerConnectionListener({ connected } as never)).toBe(false);
    expect(api.registerConnectionListener(null as never)).toBe(false);
    expect(api.registerPeerListener({})).toBe(false);
    expect(api.registerPeerListener({ consumerAdded: vi.fn() })).toBe(true);
  });

  it("that throw are logged and do not keep others from being called", () => {
    const { api, socket } = connectedPage();
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const producerAdded = vi.fn();
    api.registerPeerListener({
      producerAdded: () => {
        throw new Error("no");
      },
    });
    api.registerPeerListener({ producerAdded });
    socket.say({ type: "peerStatusChanged", peerId: "cam", roles: ["producer"], meta: null });
    expect(producerAdded).toHaveBeenCalledOnce();
    expect(logged).toHaveBeenCalledOnce();
  });

  it("that are removed are not called", () => {
    const { api, socket } = connectedPage();
    const listener = { connected: vi.fn(), disconnected: vi.fn() };
    api.registerConnectionListener(listener);
    expect(api.unregisterConnectionListener(listener)).toBe(true);
    expect(api.unregisterConnectionListener(listener)).toBe(false);
    socket.drop();
    expect(listener.disconnected).not.toHaveBeenCalled();
  });
});

describe("peers", () => {
  it("are listed and reported by role, without this page", () => {
    const { api, socket } = connectedPage();
    const calls: string[] = [];
    api.registerPeerListener({
      producerAdded: ({ id, meta }) => calls.push(`+producer ${id} ${JSON.stringify(meta)}`),
      consumerAdded: ({ id }) => calls.push(`+consumer ${id}`),
      consumerRemoved: ({ id }) => calls.push(`-consumer ${id}`),
    });
    socket.say({ type: "list", producers: [{ id: "cam", meta: { name: "x" } }, { id: "me", meta: null }] });
    socket.say({ type: "listConsumers", consumers: [{ id: "wall", meta: 7 }] });
    socket.say({ type: "peerStatusChanged", peerId: "wall", roles: [], meta: null });
    expect(calls).toEqual(['+producer cam {"name":"x"}', "+consumer wall", "-consumer wall"]);
    expect(api.getAvailableProducers()).toEqual([{ id: "cam", meta: { name: "x" } }]);
    expect(api.getAvailableConsumers()).toEqual([]);
  });
});

describe("what the server says wrongly", () => {
  it.each(["no JSON", '{"type":"unknown"}', "[]", '{"type":"welcome"}', '{"type":"constructor"}'])(
    "%s is reported and otherwise ignored",
    (text) => {
      const { api, socket } = connectedPage();
      const errors = record(api, ["error"]);
      socket.say(text);
      expect(errors).toEqual(["error"]);
      expect(api.isConnected).toBe(true);
    },
  );

  it("an error that concerns no session is reported", () => {
    const { api, socket } = connectedPage();
    const messages: string[] = [];
    api.addEventListener("error", ({ message }) => messages.push(message));
    socket.say({ type: "error", details: "nothing you know" });
    expect(messages).toEqual(["nothing you know"]);
  });
});
