// SPDX-License-Identifier: MPL-2.0
/**
 * The statistics of one session, drawn live.
 *
 * @module
 */

import type { SessionStatistics, WebRTCSession } from "../src/index.js";
import { Chart } from "./chart.js";
import { element, setText } from "./dom.js";
import { bitrateText, withUnit } from "./words.js";

/** Time between two samples, in milliseconds. */
const INTERVAL_MS = 1000;

/** Samples a session until `stop()`. */
export class StatisticsPanel {
  /** To be put into the page. */
  readonly element: HTMLElement;
  readonly #facts = element("p", { class: "facts" });
  readonly #bitrate = new Chart("Bitrate", 100_000);
  readonly #frames = new Chart("Frames", 30);
  readonly #roundTrip = new Chart("Round trip", 20);
  readonly #loss = new Chart("Loss", 0.05);
  readonly #session: Pick<WebRTCSession, "getStatistics">;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param session - what to sample */
  constructor(session: Pick<WebRTCSession, "getStatistics">) {
    this.#session = session;
    const charts = [this.#bitrate, this.#frames, this.#roundTrip, this.#loss].map((chart) => chart.element);
    this.element = element(
      "section",
      { class: "statistics", "aria-label": "Statistics" },
      this.#facts,
      element("div", { class: "charts" }, ...charts),
    );
    this.#timer = setInterval(() => void this.#sample(), INTERVAL_MS);
    void this.#sample();
  }

  /** Samples no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const statistics = await this.#session.getStatistics();
    if (statistics) this.#draw(statistics);
  }

  #draw({ video, audio, roundTripMs }: SessionStatistics): void {
    const bitrates = [video?.bitrate, audio?.bitrate].filter((rate) => typeof rate === "number");
    const bitrate = bitrates.length > 0 ? bitrates.reduce((sum, rate) => sum + rate, 0) : null;
    const loss = video?.lossRatio ?? audio?.lossRatio ?? null;
    this.#bitrate.add(bitrate, bitrateText(bitrate));
    this.#frames.add(video?.framesPerSecond ?? null, withUnit(video?.framesPerSecond ?? null, "/s"));
    this.#roundTrip.add(roundTripMs, withUnit(roundTripMs, "ms"));
    this.#loss.add(loss, withUnit(loss === null ? null : loss * 100, "%", 1));
    setText(this.#facts, facts({ video, audio, roundTripMs }));
  }
}

/** Codec, picture size and buffering in one line. */
function facts({ video, audio }: SessionStatistics): string {
  const size = video?.width && video.height ? `${video.width} × ${video.height}` : null;
  const buffer = video?.bufferMs ?? audio?.bufferMs ?? null;
  const codecs = [video?.codec, audio?.codec].filter((codec) => typeof codec === "string");
  return [size, codecs.join(" + "), buffer === null ? null : `buffer ${withUnit(buffer, "ms")}`]
    .filter((fact) => fact)
    .join(" · ");
}
