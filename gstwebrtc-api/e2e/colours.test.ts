// SPDX-License-Identifier: MPL-2.0
/** What `webrtcsink` encodes looks in the browser as it did at its source, whatever form the source has it in. */

import { describe, expect, it } from "vitest";
import { BARS, barsOf } from "./support/bars.js";
import { waitForFrames } from "./support/browser.js";
import { gstreamerEnvironment, hasElement } from "./support/paths.js";
import { Program } from "./support/program.js";
import { useScene } from "./support/scene.js";

/** More than encoding costs, 9 where measured; the other matrix is 32 off, the other range more. */
const TOLERANCE = 13;

/** In RGB first, for `videotestsrc` paints in the limited range whatever it calls it. */
const RGB = "! video/x-raw,format=RGBx,width=640,height=360";

/** Forms of the picture, each as elements after `videotestsrc`. The first is what it makes when nobody asks. */
const FORMS = {
  "whatever the source likes best": "",
  "BT.601": "! video/x-raw,format=I420,width=640,height=480,colorimetry=bt601",
  "BT.709": "! video/x-raw,format=I420,width=1280,height=720,colorimetry=bt709",
  "BT.709 of a size that is usually BT.601": "! video/x-raw,format=NV12,width=640,height=360,colorimetry=bt709",
  "full range, as cameras with JPEG": `${RGB} ! videoconvert ! video/x-raw,format=Y42B,colorimetry=1:4:0:0`,
  "full range of BT.709": `${RGB} ! videoconvert ! video/x-raw,format=I420,colorimetry=1:3:5:1`,
  RGB,
};

/** Codecs, and `openh264enc` as one that writes nothing about colours into its stream. */
const ENCODERS = { VP8: "vp8enc", VP9: "vp9enc", H264: "x264enc", "H264 by openh264enc": "openh264enc" };

const scene = useScene();

/** How far the colour is off that is off most. */
function largestError(bars: number[][]): number {
  const errors = BARS.flatMap((bar, index) => bar.map((value, part) => Math.abs((bars[index]?.[part] ?? 999) - value)));
  return Math.max(...errors);
}

describe.skipIf(!hasElement("webrtcsink"))("the colours of webrtcsink", () => {
  const all = Object.keys(ENCODERS).flatMap((codec) => Object.keys(FORMS).map((form) => [codec, form] as const));
  const cases = all.filter(([codec, form]) => !(codec.includes("openh264enc") && form === "full range of BT.709"));
  it.each(cases)("as %s are those of %s", async (codec, form) => {
    const encoder = ENCODERS[codec as keyof typeof ENCODERS];
    const caps = `video/x-${codec.split(" ", 1)[0]?.toLowerCase() ?? ""}`;
    const sink = `webrtcsink name=ws signaller::uri=${scene.signalling.url} meta=meta,name=bars video-caps=${caps}`;
    const source = `videotestsrc is-live=true pattern=smpte75 ${FORMS[form as keyof typeof FORMS]} ! ws.`;
    const environment = { ...gstreamerEnvironment, GST_PLUGIN_FEATURE_RANK: `${encoder}:1000` };
    scene.run(new Program("gst-launch-1.0", `${sink} ${source}`.split(/ +/), environment));
    const viewer = await scene.open("viewer");
    await viewer.evaluate(() => window.watch("bars"));
    await waitForFrames(viewer);
    const bars = await barsOf(viewer);
    expect(largestError(bars), JSON.stringify(bars)).toBeLessThan(TOLERANCE);
  });
});
