// SPDX-License-Identifier: MPL-2.0
/** From what a user does on a video element to messages on the data channel. */

import { beforeEach, describe, expect, it, vi } from "vitest";
import { ControlRequestError, type ConsumerSession, type RemoteController } from "../src/index.js";
import { modifierState } from "../src/input/events.js";
import { toPicture } from "../src/input/pointer.js";
import { connectedPage, playingSession, record } from "./fakes/page.js";
import { FakePeerConnection, type FakeDataChannel } from "./fakes/peer-connection.js";
import { FakeVideoElement } from "./fakes/video-element.js";

let session: ConsumerSession;
let channel: FakeDataChannel;
let controller: RemoteController;
let video: FakeVideoElement;

async function control(label: string): Promise<void> {
  const { api, socket } = connectedPage();
  session = await playingSession(api, socket);
  channel = FakePeerConnection.last.receiveChannel(label);
  if (!session.remoteController) throw new Error("no controller");
  controller = session.remoteController;
  video = new FakeVideoElement();
  controller.attachVideoElement(video.asElement());
}

describe("positions", () => {
  const box = { width: 640, height: 480 };
  const picture = { width: 1280, height: 720 };

  it.each([
    ["the middle", { x: 320, y: 240 }, { x: 640, y: 360 }],
    ["the picture's corner, below the margin", { x: 0, y: 60 }, { x: 0, y: 0 }],
    ["the margin", { x: 640, y: 10 }, { x: 1280, y: 0 }],
    ["outside", { x: 9999, y: 9999 }, { x: 1280, y: 720 }],
  ])("in %s of a fitted picture", (_, at, expected) => {
    expect(toPicture(at, box, picture)).toEqual(expected);
  });

  it("without a picture are 0,0", () => {
    expect(toPicture({ x: 5, y: 5 }, box, { width: 0, height: 0 })).toEqual({ x: 0, y: 0 });
  });

  it.each([
    ["fill", { x: 320, y: 0 }, { x: 640, y: 0 }],
    ["cover", { x: 320, y: 240 }, { x: 640, y: 360 }],
  ] as const)("in a picture that is shown with %s", (fit, at, expected) => {
    expect(toPicture(at, box, picture, fit)).toEqual(expected);
  });
});

describe("modifiers", () => {
  const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };

  it.each([
    [{}, ""],
    [{ ctrlKey: true, shiftKey: true }, "control-mask+shift-mask"],
    [{ altKey: true, metaKey: true }, "mod1-mask+meta-mask"],
    [{ buttons: 1 }, "button1-mask"],
    [{ buttons: 2 }, "button3-mask"],
    [{ buttons: 4 }, "button2-mask"],
    [{ buttons: 24 }, "button4-mask+button5-mask"],
  ])("%j are %j", (held, text) => {
    expect(modifierState({ ...none, ...held })).toBe(text);
  });
});

describe("on an input channel", () => {
  beforeEach(() => control("input"));

  it("navigation events travel bare", () => {
    video.happen("mousemove", { target: video, offsetX: 320, offsetY: 240 });
    expect(channel.sent).toEqual([{ event: "MouseMove", x: 640, y: 360, modifier_state: "" }]);
  });

  it("requests cannot travel", () => {
    const errors = record(controller, ["error"]);
    expect(controller.sendControlRequest({ type: "customUpstreamEvent" })).toBe(-1);
    expect(errors).toEqual(["error"]);
  });

  it("gives way to a control channel, which does not give way to it", () => {
    const changes = record(session, ["remoteControllerChanged"]);
    FakePeerConnection.last.receiveChannel("control");
    expect(session.remoteController?.rtcDataChannel?.label).toBe("control");
    FakePeerConnection.last.receiveChannel("input");
    FakePeerConnection.last.receiveChannel("other");
    expect(session.remoteController?.rtcDataChannel?.label).toBe("control");
    expect(changes).toHaveLength(1);
  });
});

describe("on a control channel", () => {
  const at = { offsetX: 320, offsetY: 240 };
  const events = (): unknown[] => channel.sent.map(({ request }) => (request as { event: unknown }).event);

  beforeEach(() => control("control"));

  it("events travel as numbered requests", () => {
    video.happen("mousedown", { ...at, button: 0, buttons: 1 });
    video.happen("mouseup", { ...at, button: 0 });
    const common = { x: 640, y: 360, button: 1 };
    expect(channel.sent).toEqual([
      {
        id: 0,
        request: {
          type: "navigationEvent",
          event: { event: "MouseButtonPress", ...common, modifier_state: "button1-mask" },
        },
      },
      {
        id: 1,
        request: { type: "navigationEvent", event: { event: "MouseButtonRelease", ...common, modifier_state: "" } },
      },
    ]);
    expect(video.isFocused).toBe(true);
  });

  it("moves are merged to one per frame, and come before a press", () => {
    for (const offsetX of [0, 100, 200]) video.happen("mousemove", { offsetX, offsetY: 240 });
    expect(events()).toMatchObject([{ x: 0 }]);
    vi.advanceTimersByTime(16);
    expect(events()).toMatchObject([{ x: 0 }, { x: 400 }]);
    video.happen("mousemove", { offsetX: 320, offsetY: 240 });
    video.happen("mousedown", { ...at, button: 2, buttons: 2 });
    expect(events().slice(2)).toMatchObject([{ event: "MouseMove", x: 640 }, { button: 3 }]);
  });

  it("moves are left out while the channel is full, presses are not", () => {
    channel.bufferedAmount = 1e6;
    video.happen("mousemove", at);
    video.happen("mousedown", { ...at, button: 0 });
    expect(events()).toMatchObject([{ event: "MouseButtonPress" }]);
  });

  it.each([
    [0, 0, -100],
    [1, 0, -1600],
    [2, 0, -48_000],
  ])("the wheel in unit %d is brought to pixels and turned around", (deltaMode, delta_x, delta_y) => {
    video.happen("wheel", { ...at, deltaX: 0, deltaY: 100, deltaMode });
    expect(events()).toEqual([{ event: "MouseScroll", x: 640, y: 360, delta_x, delta_y, modifier_state: "" }]);
  });

  it("keys travel by their X11 names, unknown ones not at all", () => {
    video.happen("keydown", { key: "a", code: "KeyA", ctrlKey: true });
    video.happen("keyup", { key: "a", code: "KeyA" });
    video.happen("keydown", { key: "Dead", code: "BracketLeft" });
    expect(events()).toEqual([
      { event: "KeyPress", key: "a", modifier_state: "control-mask" },
      { event: "KeyRelease", key: "a", modifier_state: "" },
    ]);
  });

  it("a key is let go under the name it was pressed with", () => {
    video.happen("keydown", { key: "A", code: "KeyA", shiftKey: true });
    video.happen("keyup", { key: "a", code: "KeyA" });
    expect(events()).toMatchObject([{ key: "A" }, { event: "KeyRelease", key: "A" }]);
  });

  it("a shortcut of macOS leaves no key pressed", () => {
    video.happen("keydown", { key: "Meta", code: "MetaLeft", metaKey: true });
    video.happen("keydown", { key: "c", code: "KeyC", metaKey: true });
    video.happen("keyup", { key: "Meta", code: "MetaLeft" });
    expect(events().slice(2)).toMatchObject([
      { event: "KeyRelease", key: "Meta_L" },
      { event: "KeyRelease", key: "c" },
    ]);
  });

  it("a character typed with AltGr is no shortcut", () => {
    const getModifierState = (name: string): boolean => name === "AltGraph";
    video.happen("keydown", { key: "€", code: "KeyE", ctrlKey: true, altKey: true, getModifierState });
    expect(events()).toEqual([{ event: "KeyPress", key: "EuroSign", modifier_state: "" }]);
  });

  it("what is held is let go when the focus is lost", () => {
    video.happen("keydown", { key: "Shift", code: "ShiftLeft", shiftKey: true });
    video.happen("mousedown", { ...at, button: 1, buttons: 4 });
    video.happen("blur");
    expect(events().slice(2)).toMatchObject([
      { event: "KeyRelease", key: "Shift_L" },
      { event: "MouseButtonRelease", button: 2, x: 640, y: 360 },
    ]);
    video.happen("blur");
    expect(events()).toHaveLength(4);
  });

  it("touches travel with a pressure and an unsigned number, then a frame", () => {
    const finger = { identifier: -1, clientX: 420, clientY: 290 };
    video.happen("touchstart", { changedTouches: [finger], timeStamp: 1000 });
    video.happen("touchend", { changedTouches: [{ ...finger, force: 0.7 }], timeStamp: 1001 });
    const common = { identifier: 4294967295, x: 640, y: 360, modifier_state: "" };
    expect(events()).toEqual([
      { event: "TouchDown", ...common, pressure: 0.5 },
      { event: "TouchFrame", modifier_state: "" },
      { event: "TouchUp", ...common },
      { event: "TouchFrame", modifier_state: "" },
    ]);
  });

  it.each(["wheel", "contextmenu", "mousemove", "mousedown", "keydown", "touchstart"])(
    "the default action of %s is prevented",
    (type) => {
      const fields = { ...at, key: "a", code: "KeyA", changedTouches: [], deltaX: 0, deltaY: 0, deltaMode: 0 };
      expect(video.happen(type, fields)).toBe(true);
    },
  );

  it("an element can get keys while it is attached, and sends nothing afterwards", () => {
    expect(video.attributes.get("tabindex")).toBe("0");
    expect(controller.videoElement).toBe(video);
    controller.attachVideoElement({} as never);
    expect(controller.videoElement).toBe(video);
    controller.attachVideoElement(null);
    expect(video.attributes.has("tabindex")).toBe(false);
    video.happen("mousemove", at);
    expect(channel.sent).toEqual([]);
  });

  it("requests are numbered, may name a stream, and may be texts", () => {
    expect(controller.sendControlRequest({ type: "a" })).toBe(0);
    expect(controller.sendControlRequest('{"type":"b"}', { mid: "video0" })).toBe(1);
    expect(channel.sent).toEqual([
      { id: 0, request: { type: "a" } },
      { id: 1, mid: "video0", request: '{"type":"b"}' },
    ]);
  });

  it("a request that cannot be sent gives -1 and an error", () => {
    const messages: string[] = [];
    controller.addEventListener("error", ({ message }) => messages.push(message));
    channel.readyState = "closing";
    expect(controller.sendControlRequest({})).toBe(-1);
    expect(messages).toEqual(["cannot send control message over session S remote controller"]);
  });

  it("answers and information are events", () => {
    const details: unknown[] = [];
    controller.addEventListener("controlResponse", ({ detail }) => details.push(detail.id));
    controller.addEventListener("info", ({ detail }) => details.push(detail.info));
    channel.say({ type: "ControlResponseMessage", id: 4, error: null });
    channel.say({ type: "InfoMessage", mid: "video0", info: { meta: {} } });
    expect(details).toEqual([4, { meta: {} }]);
  });

  it.each(["nonsense", "[]", '{"type":"InfoMessage"}', '{"type":"Other"}'])("%s is an error", (text) => {
    const errors = record(controller, ["error"]);
    channel.say(text);
    expect(errors).toEqual(["error"]);
  });

  it("a request can be waited for", async () => {
    const done = controller.request({ type: "a" });
    const refused = controller.request({ type: "b" });
    channel.say({ type: "ControlResponseMessage", id: 1, error: "no sink pad" });
    channel.say({ type: "ControlResponseMessage", id: 0, error: null });
    await expect(done).resolves.toMatchObject({ id: 0 });
    await expect(refused).rejects.toEqual(new ControlRequestError(1, "no sink pad"));
  });

  it("a request without an answer fails when the channel closes", async () => {
    const waiting = controller.request({ type: "a" });
    channel.onclose?.();
    await expect(waiting).rejects.toMatchObject({ requestId: 0 });
  });

  it("the controller goes away with its channel, or with the session", () => {
    const events = record(controller, ["closed", "error"]);
    const changes = record(session, ["remoteControllerChanged"]);
    channel.onerror?.({ error: { sctpCauseCode: 12 } });
    expect(events).toEqual(["closed"]);
    expect(session.remoteController).toBeNull();
    expect(changes).toHaveLength(1);
    expect(controller.rtcDataChannel).toBeNull();
    session.close();
    expect(changes).toHaveLength(1);
  });

  it("a failing channel is an error", () => {
    const events = record(controller, ["closed", "error"]);
    channel.onerror?.({ error: { sctpCauseCode: null } });
    expect(events).toEqual(["error", "closed"]);
  });
});
