// SPDX-License-Identifier: MPL-2.0
/** Gives Node the parts of a browser that the library uses, and forgets them between tests. */

import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, vi } from "vitest";
import { FakeMediaStream } from "./media.js";
import { FakePeerConnection, FakeSenderClass } from "./peer-connection.js";
import { FakeVideoElement } from "./video-element.js";
import { FakeWebSocket } from "./websocket.js";

// Node warns of eleven listeners that end by one signal; a video element has more.
setMaxListeners(32);

class FakeErrorEvent extends Event {
  readonly message: string;
  readonly error: unknown;

  constructor(type: string, { message = "", error }: { message?: string; error?: unknown } = {}) {
    super(type);
    this.message = message;
    this.error = error;
  }
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", FakeWebSocket);
  vi.stubGlobal("RTCPeerConnection", FakePeerConnection);
  vi.stubGlobal("RTCRtpSender", FakeSenderClass);
  vi.stubGlobal("MediaStream", FakeMediaStream);
  vi.stubGlobal("HTMLVideoElement", FakeVideoElement);
  vi.stubGlobal("ErrorEvent", FakeErrorEvent);
  vi.stubGlobal("getComputedStyle", (element: FakeVideoElement) => element.style);
  const page = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"] as const) {
    vi.stubGlobal(name, page[name].bind(page));
  }
  FakeWebSocket.all.length = 0;
  FakePeerConnection.all.length = 0;
  FakePeerConnection.failure = null;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
