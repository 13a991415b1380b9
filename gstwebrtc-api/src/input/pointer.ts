// SPDX-License-Identifier: MPL-2.0
/**
 * Where a pointer is in the picture of a video element. Pure.
 *
 * @module
 */

/** A position in pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How the picture is fitted into its box, as the CSS property `object-fit` says. */
export type ObjectFit = "contain" | "cover" | "fill";

/**
 * Brings a position in the content box of the element to one in the picture's own pixels, 0 to width and height.
 *
 * @param point - relative to the top left corner of the content box
 * @param box - size of the content box
 * @param picture - size of the picture; without one the position is 0,0
 */
export function toPicture(point: Point, box: Size, picture: Size, fit: ObjectFit = "contain"): Point {
  const isDrawn = [box.width, box.height, picture.width, picture.height].every((length) => length > 0);
  if (!isDrawn) return { x: 0, y: 0 };
  const horizontal = box.width / picture.width;
  const vertical = box.height / picture.height;
  const common = fit === "cover" ? Math.max(horizontal, vertical) : Math.min(horizontal, vertical);
  return {
    x: along(point.x, box.width, picture.width, fit === "fill" ? horizontal : common),
    y: along(point.y, box.height, picture.height, fit === "fill" ? vertical : common),
  };
}

/** One axis: the picture stands in the middle of its box, `scale` times its size. */
function along(position: number, box: number, picture: number, scale: number): number {
  const margin = (box - picture * scale) / 2;
  return Math.min(Math.max((position - margin) / scale, 0), picture);
}
