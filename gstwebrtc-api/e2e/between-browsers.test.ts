// SPDX-License-Identifier: MPL-2.0
/** The library at both ends, in a real browser, over the real signalling server. */

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { waitForFrames } from "./support/browser.js";
import { until } from "./support/program.js";
import { CuttableNetwork } from "./support/relay.js";
import { useScene } from "./support/scene.js";

const scene = useScene();

async function openPair(): Promise<{ camera: Page; viewer: Page }> {
  const camera = await scene.openCamera();
  const viewer = await scene.open("viewer");
  await viewer.evaluate(() => window.watch("camera"));
  return { camera, viewer };
}

describe("watching", () => {
  it("shows frames and hears sound", async () => {
    const { viewer } = await openPair();
    await waitForFrames(viewer);
    const level = await until("a sound", 30_000, () =>
      viewer.evaluate(async () => (await window.session.getStatistics())?.audio?.level ?? 0),
    );
    expect(level).toBeGreaterThan(0);
    const figures = await viewer.evaluate(() => window.session.getStatistics());
    // On a busy machine the sending browser makes its picture smaller; its shape stays.
    const { width, height } = figures?.video ?? {};
    expect((width ?? 0) / (height ?? 1)).toBeCloseTo(640 / 360, 1);
    expect(width).toBeLessThanOrEqual(640);
    expect(figures?.roundTripMs).toBeGreaterThanOrEqual(0);
    expect(await viewer.evaluate(() => window.session.connectivity)).toBe("connected");
  });

  it("works for two viewers at once, and goes on when one leaves", async () => {
    const { camera, viewer } = await openPair();
    const second = await scene.open("second viewer");
    await second.evaluate(() => window.watch("camera"));
    await Promise.all([waitForFrames(viewer), waitForFrames(second)]);
    expect(await camera.evaluate(() => window.producer.clients.length)).toBe(2);
    await second.evaluate(() => window.session.close());
    await until("the camera to notice", 20_000, () => camera.evaluate(() => window.producer.clients.length === 1));
    await waitForFrames(viewer);
  });

  it("works with an offer of the viewer", async () => {
    await scene.openCamera();
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("camera", { offerToReceiveVideo: true, offerToReceiveAudio: true }));
    await waitForFrames(viewer);
  });

  it("ends with a reason when the producer stops", async () => {
    const { camera, viewer } = await openPair();
    await waitForFrames(viewer);
    await camera.evaluate(() => window.producer.close());
    const end = await until("the end", 20_000, () => viewer.evaluate(() => window.session.endReason));
    expect(end).toMatchObject({ reason: "closed", isRemote: true });
    await until("the list to be empty", 20_000, () =>
      viewer.evaluate(() => window.api.getAvailableProducers().length === 0),
    );
  });

  it("ends when the producer's page goes away", async () => {
    const { camera, viewer } = await openPair();
    await waitForFrames(viewer);
    await camera.close();
    const end = await until("the end", 20_000, () => viewer.evaluate(() => window.session.endReason));
    expect(end.isRemote).toBe(true);
  });

  it("of a producer that is not there is refused", async () => {
    const viewer = await scene.open("viewer");
    const reason = await viewer.evaluate(async () => {
      await window.connected();
      const session = window.api.createConsumerSession("00000000-0000-0000-0000-000000000000");
      return session?.play().catch(() => session.endReason?.reason);
    });
    expect(reason).toBe("refused");
  });
});

describe("sending", () => {
  it("replaces the picture without a new connection", async () => {
    const { camera, viewer } = await openPair();
    await waitForFrames(viewer);
    const sessionId = await viewer.evaluate(() => window.session.sessionId);
    await camera.evaluate(async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
      const context = canvas.getContext("2d");
      let x = 0;
      setInterval(() => context?.fillRect((x += 5) % 320, 0, 5, 240), 40);
      const [next] = canvas.captureStream(25).getVideoTracks();
      const [previous] = window.producer.stream.getVideoTracks();
      if (previous && next) await window.producer.replaceTrack(previous, next);
    });
    await until("the other picture", 30_000, () =>
      viewer.evaluate(() => document.querySelector("video")?.videoWidth === 320),
    );
    await waitForFrames(viewer);
    expect(await viewer.evaluate(() => window.session.sessionId)).toBe(sessionId);
  });

  it("adds sound and takes it away again in the same session", async () => {
    const camera = await scene.open("camera");
    await camera.evaluate(() => window.capture({}, { video: true }));
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("camera"));
    await waitForFrames(viewer);
    await camera.evaluate(async () => {
      const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks();
      if (track) window.producer.addTrack(track);
    });
    await until("a sound", 30_000, () =>
      viewer.evaluate(async () => ((await window.session.getStatistics())?.audio?.level ?? 0) > 0),
    );
    await camera.evaluate(() => {
      for (const track of window.producer.stream.getAudioTracks()) window.producer.removeTrack(track);
    });
    await until("silence", 30_000, () =>
      viewer.evaluate(() => window.session.streams[0]?.getAudioTracks().length === 0),
    );
    await waitForFrames(viewer);
    expect(await viewer.evaluate(() => window.session.endReason)).toBeNull();
  });

  it.each(["VP9", "VP8"])("prefers %s when told to", async (codec) => {
    const camera = await scene.open("camera");
    await camera.evaluate((wanted) => window.capture({ codecs: [wanted] }), codec);
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("camera"));
    await waitForFrames(viewer);
    const figures = await viewer.evaluate(() => window.session.getStatistics());
    expect(figures?.video?.codec).toBe(codec);
  });
});

describe("a network that fails", () => {
  it("and returns brings the media back in the same session", async () => {
    await scene.openCamera();
    const network = new CuttableNetwork();
    const viewer = await scene.open("viewer", (page) => network.join(page));
    await viewer.evaluate(() => window.watch("camera"));
    await waitForFrames(viewer);
    const before = await viewer.evaluate(() => [window.session.sessionId, window.session.connectivity]);
    network.setCut(true);
    await until("the gap", 60_000, () => viewer.evaluate(() => window.session.connectivity === "recovering"));
    await until("an offer that restarts ICE", 60_000, () => network.offers > 1);
    network.setCut(false);
    await until("the connection", 60_000, () => viewer.evaluate(() => window.session.connectivity === "connected"));
    await waitForFrames(viewer);
    expect(await viewer.evaluate(() => [window.session.sessionId, window.session.connectivity])).toEqual(before);
    await network.close();
  });

  it("and stays away ends the session with a reason", async () => {
    await scene.openCamera();
    const network = new CuttableNetwork();
    const viewer = await scene.open("viewer", (page) => network.join(page));
    await viewer.evaluate(() => window.watch("camera"));
    await waitForFrames(viewer);
    await scene.signalling.kill();
    network.setCut(true);
    const end = await until("the end", 90_000, () => viewer.evaluate(() => window.session.endReason));
    expect(end.reason).toBe("ice-failed");
    await network.close();
  });
});

describe("a signalling server that is killed and started again", () => {
  it("interrupts nothing, and everybody is back on it by itself", async () => {
    const { camera, viewer } = await openPair();
    await waitForFrames(viewer);
    await scene.signalling.kill();
    await until("the viewer to notice", 20_000, () => viewer.evaluate(() => !window.api.isConnected));
    await waitForFrames(viewer, 60);
    expect(await viewer.evaluate(() => window.session.endReason)).toBeNull();
    await scene.signalling.restart();
    await until("the producer to be listed again", 30_000, () =>
      viewer.evaluate(() => window.api.getAvailableProducers().length === 1),
    );
    await waitForFrames(viewer);
    const late = await scene.open("late viewer");
    await late.evaluate(() => window.watch("camera"));
    await waitForFrames(late);
    expect(await camera.evaluate(() => window.producer.clients.length)).toBe(2);
  });
});
