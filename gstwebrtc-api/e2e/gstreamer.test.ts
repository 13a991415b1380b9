// SPDX-License-Identifier: MPL-2.0
/** The browser and the elements: `webrtcsink` is watched and controlled, `webrtcsrc` is sent to. */

import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { BARS, barsOf } from "./support/bars.js";
import { openPage, waitForFrames } from "./support/browser.js";
import { distFolder, gstreamerEnvironment, hasElement, python } from "./support/paths.js";
import { Program, until } from "./support/program.js";
import { CuttableNetwork } from "./support/relay.js";
import { useScene } from "./support/scene.js";
import { freePort } from "./support/servers.js";

const scene = useScene();

function launch(...pipeline: string[]): Program {
  return scene.run(new Program("gst-launch-1.0", pipeline, gstreamerEnvironment));
}

function launchSink(...properties: string[]): Program {
  const uri = `signaller::uri=${scene.signalling.url}`;
  const video = "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,width=640,height=360,framerate=30/1 ! ws.";
  const audio = "audiotestsrc is-live=true ! ws.";
  return launch("webrtcsink", "name=ws", uri, "meta=meta,name=bars", ...properties, ...`${video} ${audio}`.split(" "));
}

async function watchBars(name = "viewer"): Promise<Page> {
  const viewer = await scene.open(name);
  await viewer.evaluate(() => window.watch("bars"));
  await waitForFrames(viewer);
  return viewer;
}

describe.skipIf(!hasElement("webrtcsink"))("webrtcsink", () => {
  it("is seen in the right colours and heard", async () => {
    launchSink();
    const viewer = await watchBars();
    const bars = await barsOf(viewer);
    for (const [index, expected] of BARS.entries()) {
      for (const [part, value] of expected.entries()) {
        expect(Math.abs((bars[index]?.[part] ?? 999) - value), `bar ${index}: ${String(bars[index])}`).toBeLessThan(60);
      }
    }
    await until("a sound", 30_000, () =>
      viewer.evaluate(async () => ((await window.session.getStatistics())?.audio?.level ?? 0) > 0.1),
    );
  });

  it.each(["VP8", "VP9", "H264"])("is seen as %s", async (codec) => {
    launchSink(`video-caps=video/x-${codec.toLowerCase()}`);
    const viewer = await watchBars();
    const figures = await viewer.evaluate(() => window.session.getStatistics());
    expect(figures?.video?.codec).toBe(codec);
  });

  it("is seen again when the network returns", async () => {
    launchSink();
    const network = new CuttableNetwork();
    const viewer = await scene.open("viewer", (page) => network.join(page));
    await viewer.evaluate(() => window.watch("bars"));
    await waitForFrames(viewer);
    network.setCut(true);
    await until("the gap", 60_000, () => viewer.evaluate(() => window.session.connectivity === "recovering"));
    await until("an offer that restarts ICE", 60_000, () => network.offers > 1);
    network.setCut(false);
    await until("the connection", 60_000, () => viewer.evaluate(() => window.session.connectivity === "connected"));
    await waitForFrames(viewer, 60);
    expect(await viewer.evaluate(() => window.session.endReason)).toBeNull();
    await network.close();
  });

  it("serves two viewers at once, and goes on with one", async () => {
    launchSink();
    const first = await watchBars("first");
    const second = await watchBars("second");
    await first.evaluate(() => window.session.close());
    await waitForFrames(second, 60);
  });

  it("answers a viewer's own offer", async () => {
    launchSink();
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("bars", { offerToReceiveVideo: true, offerToReceiveAudio: true }));
    await waitForFrames(viewer);
  });

  it("that ends is told of with a reason", async () => {
    const sink = launchSink();
    const viewer = await watchBars();
    await sink.stop("SIGINT");
    const end = await until("the end", 30_000, () => viewer.evaluate(() => window.session.endReason));
    expect(end.isRemote).toBe(true);
    await until("the list to be empty", 20_000, () =>
      viewer.evaluate(() => window.api.getAvailableProducers().length === 0),
    );
  });

  it("plays on while the signalling server is killed and started again", async () => {
    launchSink();
    const viewer = await watchBars();
    await scene.signalling.kill();
    await until("the loss", 20_000, () => viewer.evaluate(() => !window.api.isConnected));
    await waitForFrames(viewer, 90);
    await scene.signalling.restart();
    await until("the sink to be back", 40_000, () =>
      viewer.evaluate(() => window.api.getAvailableProducers().length === 1),
    );
    await waitForFrames(viewer);
    expect(await viewer.evaluate(() => window.session.endReason)).toBeNull();
    await watchBars("late viewer");
  });

  it("serves the page itself", async () => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    launchSink("run-web-server=true", `web-server-directory=${distFolder}`, `web-server-host-addr=${address}`);
    await until("the page", 30_000, () => fetch(address).then(({ ok }) => ok).catch(() => false));
    const { page, problems } = await openPage(scene.browser, `${address}/?signalling=${scene.signalling.url}`);
    await page.getByRole("button", { name: "Watch bars" }).click();
    await waitForFrames(page);
    expect(problems).toEqual([]);
  });

  it.each(["enable-data-channel-navigation", "enable-control-data-channel"])(
    "gets what the user does as navigation events with %s",
    async (property) => {
      const script = fileURLToPath(new URL("support/navigation.py", import.meta.url));
      const sink = scene.run(
        new Program(python, [script, scene.signalling.url, "bars", property], gstreamerEnvironment),
      );
      const viewer = await watchBars();
      await viewer.waitForFunction(() => window.session.remoteController?.rtcDataChannel?.readyState === "open");
      await viewer.evaluate(() => window.session.remoteController?.attachVideoElement(document.querySelector("video")));
      const box = await viewer.locator("video").boundingBox();
      await viewer.mouse.move((box?.x ?? 0) + 160, (box?.y ?? 0) + 90);
      await viewer.mouse.down();
      await viewer.mouse.up();
      await viewer.keyboard.press("ArrowUp");
      await viewer.keyboard.press("Control+a");
      await viewer.mouse.wheel(0, 120);
      await sink.waitFor(/event=\(string\)mouse-scroll/);
      const print = sink.output;
      expect(print).toMatch(/mouse-move, .*pointer_x=\(double\)160, pointer_y=\(double\)90/);
      expect(print).toMatch(/mouse-button-press, button=\(int\)1, pointer_x=\(double\)160/);
      expect(print).toMatch(/mouse-button-release, button=\(int\)1/);
      expect(print).toMatch(/key-press, key=\(string\)Up/);
      expect(print).toMatch(/key-press, key=\(string\)a, .*CONTROL_MASK/);
      expect(print).toMatch(/mouse-scroll, .*delta_pointer_y=\(double\)-120/);
    },
  );
});

/** Receives and prints a line for each frame. */
function launchSource(...properties: string[]): Program {
  const uri = `signaller::uri=${scene.signalling.url}`;
  const frames = "src. ! video/x-raw ! videoconvert ! fakesink name=frames silent=false";
  return launch("-v", "webrtcsrc", "name=src", uri, ...properties, ...frames.split(" "));
}

/** Waits until `count` more frames have come out of the source. */
async function waitForPrintedFrames(source: Program, count: number): Promise<void> {
  const printed = (): number => source.output.match(/frames: last-message = chain/g)?.length ?? 0;
  const start = printed();
  await until(`${count} more frames than ${start}`, 90_000, () => {
    if (source.hasEnded) throw new Error(`gst-launch-1.0 ended:\n${source.output}`);
    return printed() >= start + count;
  });
}

/** The sizes of the pictures that came, in order. */
function sizesOf(source: Program): string[] {
  const caps = source.output.matchAll(/frames\.GstPad:sink: caps = video\/x-raw, .*width=\(int\)(\d+), height=\(int\)(\d+)/g);
  return [...caps].map(([, width, height]) => `${width}x${height}`);
}

describe.skipIf(!hasElement("webrtcsrc"))("webrtcsrc", () => {
  it.each(["VP8", "H264"])("gets the frames of a browser's camera as %s", async (codec) => {
    const camera = await scene.open("camera");
    await camera.evaluate((wanted) => window.capture({ codecs: [wanted] }), codec);
    const id = await camera.evaluate(() => window.api.clientId);
    const source = launchSource(`signaller::producer-peer-id=${id}`);
    await waitForPrintedFrames(source, 60);
    expect(await camera.evaluate(() => window.producer.clients[0]?.connectivity)).toBe("connected");
    const figures = await camera.evaluate(() => window.producer.clients[0]?.getStatistics());
    expect(figures?.video?.codec).toBe(codec);
  });

  it("as a passive consumer is sent to when it is invited", async () => {
    const source = launchSource();
    const camera = await scene.open("camera");
    await camera.evaluate(() => window.connected());
    await until("the consumer", 30_000, () => camera.evaluate(() => window.api.getAvailableConsumers().length === 1));
    await camera.evaluate(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const consumer = window.api.getAvailableConsumers()[0]?.id ?? "";
      window.api.createProducerSessionForConsumer(stream, consumer)?.start();
    });
    await waitForPrintedFrames(source, 30);
  });

  it("goes on when the track is replaced", async () => {
    const camera = await scene.openCamera();
    const id = await camera.evaluate(() => window.api.clientId);
    const source = launchSource(`signaller::producer-peer-id=${id}`);
    await waitForPrintedFrames(source, 30);
    await camera.evaluate(async () => {
      const next = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
      const [previous] = window.producer.stream.getVideoTracks();
      const [track] = next.getVideoTracks();
      if (previous && track) await window.producer.replaceTrack(previous, track);
    });
    await until("pictures of the other size", 60_000, () => sizesOf(source).includes("320x240"));
    await waitForPrintedFrames(source, 30);
  });

  it("gets another pad when a track is added, and goes on when it is removed", async () => {
    const camera = await scene.open("camera");
    await camera.evaluate(() => window.capture({}, { video: true }));
    const id = await camera.evaluate(() => window.api.clientId);
    const tone = "src. ! audio/x-raw ! audioconvert ! fakesink name=tone silent=false async=false";
    const source = launchSource(`signaller::producer-peer-id=${id}`, ...tone.split(" "));
    await waitForPrintedFrames(source, 10);
    await camera.evaluate(async () => {
      const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks();
      if (track) window.producer.addTrack(track);
    });
    await source.waitFor(/tone: last-message = chain/);
    await camera.evaluate(() => {
      for (const track of window.producer.stream.getAudioTracks()) window.producer.removeTrack(track);
    });
    await waitForPrintedFrames(source, 30);
  });

  it("leaving is noticed by the page", async () => {
    const camera = await scene.openCamera();
    const id = await camera.evaluate(() => window.api.clientId);
    const source = launchSource(`signaller::producer-peer-id=${id}`);
    await waitForPrintedFrames(source, 10);
    await source.stop("SIGINT");
    await until("the viewer to be gone", 30_000, () => camera.evaluate(() => window.producer.clients.length === 0));
    expect(await camera.evaluate(() => window.producer.state)).toBe(2);
  });
});
