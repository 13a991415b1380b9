// SPDX-License-Identifier: MPL-2.0
// What the page shows of one consumer, read from the statistics of webrtcsink as JSON. No DOM here.
"use strict";

/** What is plotted, top to bottom. */
const PLOTS = [
  "target_bitrate",
  "fec_percentage",
  "bitrate_sent",
  "bitrate_recv",
  "packet_loss",
  "delta_of_delta",
  "keyframe_requests",
  "retransmission_requests",
];

/** A number, or nothing where there is none. */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Codec, mitigation modes and one value a plot. */
function sample(consumer) {
  const entries = Object.values(consumer).filter((entry) => entry !== null && typeof entry === "object");
  const ofType = (type) => entries.filter((entry) => entry.type === type);
  const sum = (field) => ofType("outbound-rtp").reduce((total, entry) => total + (number(entry[field]) ?? 0), 0);
  const encoder = consumer["consumer-stats"]?.["video-encoders"]?.[0] ?? {};
  // Transport-wide feedback is with the transport or, in GStreamer 1.22, with the candidate pair.
  const feedback = entries.find((entry) => entry["gst-twcc-stats"])?.["gst-twcc-stats"] ?? {};
  return {
    codec: encoder["codec-name"] ?? "",
    mitigation: String(encoder["mitigation-mode"] || "none").split("+"),
    values: {
      target_bitrate: number(encoder.bitrate),
      fec_percentage: number(encoder["fec-percentage"]),
      bitrate_sent: number(feedback["bitrate-sent"]),
      bitrate_recv: number(feedback["bitrate-recv"]),
      packet_loss: number(feedback["packet-loss-pct"]),
      delta_of_delta: number(feedback["avg-delta-of-delta"]),
      keyframe_requests: sum("pli-count"),
      retransmission_requests: sum("nack-count"),
    },
  };
}

/** The last values of each plot. */
class History {
  static LENGTH = 600;
  #values = new Map(PLOTS.map((name) => [name, []]));

  push(values) {
    for (const [name, list] of this.#values) {
      list.push(values[name]);
      if (list.length > History.LENGTH) list.shift();
    }
  }

  of(name) {
    return this.#values.get(name);
  }
}
