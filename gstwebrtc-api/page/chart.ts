// SPDX-License-Identifier: MPL-2.0
/**
 * A small line chart of the last half minute, with its present value in words.
 *
 * @module
 */

import { element, setText } from "./dom.js";

/** Samples shown; one comes each second. */
const LENGTH = 30;

/** Size of the drawing's own coordinates. */
const WIDTH = 120;
const HEIGHT = 32;

const SVG = "http://www.w3.org/2000/svg";

/** One figure over time. */
export class Chart {
  /** To be put into the page. */
  readonly element: HTMLElement;
  readonly #name: string;
  readonly #floor: number;
  readonly #value = element("span", { class: "value" }, "–");
  readonly #line = document.createElementNS(SVG, "polyline");
  readonly #area = document.createElementNS(SVG, "polygon");
  readonly #drawing = document.createElementNS(SVG, "svg");
  readonly #samples: (number | null)[] = [];

  /**
   * @param name - what is drawn
   * @param floor - the value that at least fits into the height, so that noise near zero does not look large
   */
  constructor(name: string, floor: number) {
    this.#name = name;
    this.#floor = floor;
    this.#drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.#drawing.setAttribute("preserveAspectRatio", "none");
    this.#drawing.setAttribute("role", "img");
    this.#drawing.append(this.#area, this.#line);
    this.element = element("div", { class: "chart" }, element("span", { class: "name" }, name), this.#value);
    this.element.append(this.#drawing);
  }

  /** Adds a sample and its text. */
  add(sample: number | null, text: string): void {
    this.#samples.push(sample);
    if (this.#samples.length > LENGTH) this.#samples.shift();
    const points = chartPoints(this.#samples, this.#floor);
    const first = points.split(" ")[0]?.split(",")[0] ?? "0";
    this.#line.setAttribute("points", points);
    this.#area.setAttribute("points", points && `${first},${HEIGHT} ${points} ${WIDTH},${HEIGHT}`);
    this.#drawing.setAttribute("aria-label", `${this.#name}, last half minute, now ${text}`);
    setText(this.#value, text);
  }
}

/** The line as SVG points: the newest sample at the right edge, the largest near the top. Pure. */
export function chartPoints(samples: readonly (number | null)[], floor: number): string {
  const largest = Math.max(floor, ...samples.map((sample) => sample ?? 0));
  const step = WIDTH / (LENGTH - 1);
  const start = LENGTH - samples.length;
  return samples
    .map((sample, index) => {
      const x = (start + index) * step;
      const y = HEIGHT - 1 - ((sample ?? 0) / largest) * (HEIGHT - 3);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}
