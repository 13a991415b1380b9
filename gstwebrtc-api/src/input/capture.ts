// SPDX-License-Identifier: MPL-2.0
/**
 * Listens to a video element and reports what the user does there as navigation events.
 *
 * Moves are merged to one per frame of the screen. What is held down is let go when the element loses the focus
 * or the capture ends, so that no key stays pressed at the far end.
 *
 * @module
 */

import { key, mouseButton, mouseMove, mouseScroll, touch, touchFrame, type NavigationEvent } from "./events.js";
import { UNIDENTIFIED } from "./keysyms.js";
import { toPicture, type ObjectFit, type Point } from "./pointer.js";

/** Where the events go; `isOptional` marks those that may be left out when there are too many. */
export type NavigationListener = (event: NavigationEvent, isOptional: boolean) => void;

/** Time of a frame of the screen, in milliseconds: positions between two frames cannot be seen. */
const MOVE_INTERVAL_MS = 16;

/** Reports navigation events of one video element until `stop()`. */
export class NavigationCapture {
  readonly #element: HTMLVideoElement;
  readonly #report: NavigationListener;
  readonly #abort = new AbortController();
  readonly #heldKeys = new Map<string, string>();
  readonly #heldButtons = new Set<number>();
  #pendingMove: MouseEvent | null = null;
  #moveTimer: ReturnType<typeof setTimeout> | undefined;
  #lastTouchAt = -1;
  /** Where the pointer was last. */
  #lastPosition: Point = { x: 0, y: 0 };

  /**
   * @param element - made focusable, so that it can get key events
   * @param report - gets the events in order
   */
  constructor(element: HTMLVideoElement, report: NavigationListener) {
    this.#element = element;
    this.#report = report;
    element.setAttribute("tabindex", "0");
    const options = { signal: this.#abort.signal, passive: false };
    for (const type of ["mousemove", "mousedown", "mouseup"] as const) {
      element.addEventListener(type, (event) => this.#mouse(event), options);
    }
    element.addEventListener("wheel", (event) => this.#wheel(event), options);
    element.addEventListener("contextmenu", (event) => event.preventDefault(), options);
    for (const type of ["touchstart", "touchend", "touchmove", "touchcancel"] as const) {
      element.addEventListener(type, (event) => this.#touch(event), options);
    }
    element.addEventListener("keydown", (event) => this.#key(event), options);
    element.addEventListener("keyup", (event) => this.#key(event), options);
    element.addEventListener("blur", () => this.#letGo(), options);
    // A button that was pressed over the element is also let go elsewhere.
    globalThis.addEventListener("mouseup", (event) => this.#mouseUpElsewhere(event), options);
  }

  /** Stops listening and lets go what is held. */
  stop(): void {
    this.#letGo();
    this.#abort.abort();
    clearTimeout(this.#moveTimer);
    this.#element.removeAttribute("tabindex");
  }

  #mouse(event: MouseEvent): void {
    event.preventDefault();
    if (event.type === "mousemove") {
      this.#moved(event);
      return;
    }
    const isDown = event.type === "mousedown";
    if (isDown && event.button === 0) this.#element.focus();
    if (isDown) this.#heldButtons.add(event.button);
    else this.#heldButtons.delete(event.button);
    this.#flushMove();
    this.#report(mouseButton(isDown, event.button, this.#positionOf(event), event), false);
  }

  #mouseUpElsewhere(event: MouseEvent): void {
    if (event.target !== this.#element && this.#heldButtons.has(event.button)) this.#mouse(event);
  }

  /** The first move goes at once; those that follow within a frame are merged into one. */
  #moved(event: MouseEvent): void {
    this.#pendingMove = event;
    if (this.#moveTimer !== undefined) return;
    this.#flushMove();
    this.#moveTimer = setTimeout(() => {
      this.#moveTimer = undefined;
      if (this.#pendingMove) this.#moved(this.#pendingMove);
    }, MOVE_INTERVAL_MS);
  }

  #flushMove(): void {
    const event = this.#pendingMove;
    this.#pendingMove = null;
    if (event) this.#report(mouseMove(this.#positionOf(event), event), true);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    this.#flushMove();
    this.#report(mouseScroll(event, this.#element.clientHeight, this.#positionOf(event), event), false);
  }

  #key(event: KeyboardEvent): void {
    event.preventDefault();
    const isDown = event.type === "keydown";
    const message = key(isDown, event, event);
    if (!("key" in message) || message.key === UNIDENTIFIED) return;
    const place = event.code || event.key;
    // With another modifier held the key may have another name now; let go the one that was pressed.
    const name = isDown ? message.key : (this.#heldKeys.get(place) ?? message.key);
    if (isDown) this.#heldKeys.set(place, name);
    else this.#heldKeys.delete(place);
    this.#report({ ...message, key: name }, false);
    // While it is held, browsers on macOS do not tell that other keys are let go.
    if (!isDown && event.key === "Meta") this.#letGoKeys();
  }

  #touch(event: TouchEvent): void {
    event.preventDefault();
    if (event.type === "touchstart") this.#element.focus();
    const type = TOUCH_TYPES[event.type] ?? "TouchUp";
    for (const finger of event.changedTouches) {
      this.#report(touch(type, finger, this.#positionOf(finger), event), false);
    }
    if (event.timeStamp <= this.#lastTouchAt) return;
    this.#lastTouchAt = event.timeStamp;
    this.#report(touchFrame(event), false);
  }

  #letGo(): void {
    this.#flushMove();
    this.#letGoKeys();
    for (const button of this.#heldButtons) {
      this.#report(mouseButton(false, button, this.#lastPosition, NO_MODIFIERS), false);
    }
    this.#heldButtons.clear();
  }

  #letGoKeys(): void {
    for (const name of this.#heldKeys.values()) {
      this.#report({ event: "KeyRelease", key: name, modifier_state: "" }, false);
    }
    this.#heldKeys.clear();
  }

  /** Mouse events over the element have an offset; touches, and events elsewhere, only a place in the window. */
  #positionOf(event: MouseEvent | Touch): Point {
    const element = this.#element;
    const style = getComputedStyle(element);
    const padding = { left: parseFloat(style.paddingLeft) || 0, top: parseFloat(style.paddingTop) || 0 };
    const corner = "offsetX" in event && event.target === element ? event : this.#offsetOf(event);
    const point = { x: corner.offsetX - padding.left, y: corner.offsetY - padding.top };
    const box = {
      width: element.clientWidth - padding.left - (parseFloat(style.paddingRight) || 0),
      height: element.clientHeight - padding.top - (parseFloat(style.paddingBottom) || 0),
    };
    const picture = { width: element.videoWidth, height: element.videoHeight };
    this.#lastPosition = toPicture(point, box, picture, FITS[style.objectFit] ?? "contain");
    return this.#lastPosition;
  }

  #offsetOf({ clientX, clientY }: MouseEvent | Touch): { offsetX: number; offsetY: number } {
    const element = this.#element;
    const { left, top } = element.getBoundingClientRect();
    return { offsetX: clientX - left - element.clientLeft, offsetY: clientY - top - element.clientTop };
  }
}

const TOUCH_TYPES: Readonly<Record<string, "TouchDown" | "TouchMotion" | undefined>> = {
  touchstart: "TouchDown",
  touchmove: "TouchMotion",
};

const FITS: Readonly<Record<string, ObjectFit | undefined>> = { cover: "cover", fill: "fill" };

const NO_MODIFIERS = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };
