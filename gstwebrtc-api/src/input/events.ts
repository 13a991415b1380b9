// SPDX-License-Identifier: MPL-2.0
/**
 * From DOM events to GStreamer navigation events. Pure.
 *
 * @module
 */

import { keysymOf } from "./keysyms.js";
import type { Point } from "./pointer.js";

/** A navigation event as it travels. */
export type NavigationEvent =
  | ({ event: "MouseMove"; modifier_state: string } & Point)
  | ({ event: "MouseButtonPress" | "MouseButtonRelease"; modifier_state: string; button: number } & Point)
  | ({ event: "MouseScroll"; delta_x: number; delta_y: number; modifier_state: string } & Point)
  | { event: "KeyPress" | "KeyRelease"; key: string; modifier_state: string }
  | ({ event: "TouchDown" | "TouchMotion"; identifier: number; modifier_state: string; pressure: number } & Point)
  | ({ event: "TouchUp"; identifier: number; modifier_state: string } & Point)
  | { event: "TouchFrame"; modifier_state: string };

/** The modifier keys, and for mouse events the buttons, that are held. */
export interface Modifiers {
  readonly altKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly buttons?: number;
  /** Of keyboard and mouse events: whether a modifier is active, by its name in the browser. */
  getModifierState?(name: string): boolean;
}

/** What of a wheel event matters. */
export interface WheelDeltas {
  readonly deltaX: number;
  readonly deltaY: number;
  /** 0 pixels, 1 lines, 2 pages. */
  readonly deltaMode: number;
}

/** What of a touch matters. */
export interface TouchPoint {
  readonly identifier: number;
  readonly force?: number;
}

/** GstNavigationModifierType nicks, joined with `+`; an empty text for none. */
export function modifierState(modifiers: Modifiers): string {
  // Windows has AltGr as Control and Alt together. It chose the character already: what is typed is no shortcut.
  const isAltGraph = modifiers.getModifierState?.("AltGraph") === true;
  const held = [
    modifiers.altKey && !isAltGraph && "mod1-mask",
    modifiers.ctrlKey && !isAltGraph && "control-mask",
    modifiers.metaKey && "meta-mask",
    modifiers.shiftKey && "shift-mask",
    ...BUTTON_BITS.map(([bit, number]) => ((modifiers.buttons ?? 0) & bit) !== 0 && `button${number}-mask`),
  ];
  return held.filter((nick) => nick !== false).join("+");
}

/** The pointer moved. */
export function mouseMove(at: Point, modifiers: Modifiers): NavigationEvent {
  return { event: "MouseMove", ...at, modifier_state: modifierState(modifiers) };
}

/** A button went down or up; `button` as the browser counts. */
export function mouseButton(isDown: boolean, button: number, at: Point, modifiers: Modifiers): NavigationEvent {
  return {
    event: isDown ? "MouseButtonPress" : "MouseButtonRelease",
    ...at,
    modifier_state: modifierState(modifiers),
    button: button + 1,
  };
}

/** The wheel turned. GStreamer counts upwards where browsers count downwards. */
export function mouseScroll(
  deltas: WheelDeltas,
  pageHeight: number,
  at: Point,
  modifiers: Modifiers,
): NavigationEvent {
  const unit = [1, LINE_HEIGHT, pageHeight][deltas.deltaMode] ?? 1;
  return {
    event: "MouseScroll",
    ...at,
    // The sum with 0 turns -0, which no other JSON reader needs to see, into 0.
    delta_x: 0 - deltas.deltaX * unit,
    delta_y: 0 - deltas.deltaY * unit,
    modifier_state: modifierState(modifiers),
  };
}

/** A key went down or up. */
export function key(isDown: boolean, pressed: { key: string; code: string }, modifiers: Modifiers): NavigationEvent {
  return {
    event: isDown ? "KeyPress" : "KeyRelease",
    key: keysymOf(pressed.key, pressed.code),
    modifier_state: modifierState(modifiers),
  };
}

/** A finger came, moved or went. */
export function touch(
  type: "TouchDown" | "TouchMotion" | "TouchUp",
  finger: TouchPoint,
  at: Point,
  modifiers: Modifiers,
): NavigationEvent {
  // Some browsers count identifiers from below zero; the receiving side takes 32 bits without sign.
  const identifier = finger.identifier >>> 0;
  const modifier_state = modifierState(modifiers);
  if (type === "TouchUp") return { event: type, identifier, ...at, modifier_state };
  return { event: type, identifier, ...at, modifier_state, pressure: pressureOf(finger) };
}

/** Browsers say 0, or nothing, where the screen cannot measure it. */
function pressureOf({ force = 0 }: TouchPoint): number {
  return force > 0 ? force : DEFAULT_PRESSURE;
}

/** All touches of one moment have been told. */
export function touchFrame(modifiers: Modifiers): NavigationEvent {
  return { event: "TouchFrame", modifier_state: modifierState(modifiers) };
}

/** Bits of `MouseEvent.buttons` and the number X11 gives the button: there the middle one is 2, the right one 3. */
const BUTTON_BITS = [
  [1, 1],
  [4, 2],
  [2, 3],
  [8, 4],
  [16, 5],
] as const;

/** Pixels of a line of text where a browser counts in lines, as Firefox does for a mouse wheel. */
const LINE_HEIGHT = 16;

/** Pressure of a screen that cannot measure it, as Pointer Events has it; the receiving side wants a value. */
const DEFAULT_PRESSURE = 0.5;
