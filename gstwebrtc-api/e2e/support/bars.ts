// SPDX-License-Identifier: MPL-2.0
/** The test picture of bars, as it is made and as it is seen. */

import type { Page } from "playwright-core";

/** Colours of `videotestsrc pattern=smpte75`, left to right. */
export const BARS = [
  [191, 191, 191],
  [191, 191, 0],
  [0, 191, 191],
  [0, 191, 0],
  [191, 0, 191],
  [191, 0, 0],
  [0, 0, 191],
] as const;

/** Colours in the middle of each of the seven bars. */
export function barsOf(page: Page): Promise<number[][]> {
  return page.evaluate(() => {
    const video = document.querySelector("video");
    const canvas = Object.assign(document.createElement("canvas"), { width: 700, height: 100 });
    const context = canvas.getContext("2d");
    if (!video || !context) return [];
    context.drawImage(video, 0, 0, 700, 100);
    return [0, 1, 2, 3, 4, 5, 6].map((bar) => [...context.getImageData(bar * 100 + 50, 30, 1, 1).data].slice(0, 3));
  });
}
