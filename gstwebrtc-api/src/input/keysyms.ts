// SPDX-License-Identifier: MPL-2.0
/**
 * Names of browser keys in X11, which is what GStreamer navigation events carry. Pure.
 *
 * Text keys follow what the user's layout produced (`key`), other keys their place on the keyboard (`code`), and
 * keys without a place, such as those of an on-screen keyboard, their meaning.
 *
 * @module
 */

import { KEYSYM_ROWS } from "./keysym-table.js";

/** The name of a key that X11 does not know. */
export const UNIDENTIFIED = "Unidentified";

/**
 * The X11 name of a key.
 *
 * @param key - `KeyboardEvent.key`
 * @param code - `KeyboardEvent.code`
 */
export function keysymOf(key: string, code: string): string {
  const [first = "", second] = key;
  if (first !== "" && second === undefined) return keysymOfCharacter(first) ?? keysymOfCode(code) ?? UNIDENTIFIED;
  return keysymOfCode(code) ?? keysymOfCode(key) ?? RENAMED_KEYS[key] ?? UNIDENTIFIED;
}

function keysymOfCharacter(character: string): string | undefined {
  const point = character.codePointAt(0) ?? 0;
  // What has no name of its own has one made from its number, which X11 understands as well. Control characters
  // are no text.
  const hex = point.toString(16).toUpperCase().padStart(4, "0");
  return keysymTable().get(point) ?? (point >= 0xa0 ? `U${hex}` : undefined);
}

function keysymOfCode(code: string): string | undefined {
  return RENAMED_CODES[code] ?? (SAME_NAME.test(code) ? code : undefined);
}

let table: Map<number, string> | undefined;

/** The table, unpacked at the first key. */
function keysymTable(): ReadonlyMap<number, string> {
  table ??= unpack(KEYSYM_ROWS);
  return table;
}

function unpack(rows: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const row of rows.trim().replaceAll("\n ", " ").split("\n")) {
    const [start = "", ...run] = row.split(" ");
    run.forEach((name, index) => names.set(parseInt(start, 16) + index, name));
  }
  return names;
}

/** Codes that X11 calls the same. */
const SAME_NAME = /^(?:Clear|Copy|Cut|Delete|End|Escape|F(?:[1-9]|1\d|2[0-4])|Find|Help|Home|Insert|Paste|Pause|Redo|Tab|Undo)$/;

/** Codes that X11 calls otherwise. */
const RENAMED_CODES: Readonly<Record<string, string | undefined>> = {
  AltLeft: "Alt_L",
  AltRight: "Alt_R",
  ArrowDown: "Down",
  ArrowLeft: "Left",
  ArrowRight: "Right",
  ArrowUp: "Up",
  Backspace: "BackSpace",
  CapsLock: "Caps_Lock",
  ContextMenu: "Menu",
  ControlLeft: "Control_L",
  ControlRight: "Control_R",
  Enter: "Return",
  HyperLeft: "Hyper_L",
  HyperRight: "Hyper_R",
  MetaLeft: "Meta_L",
  MetaRight: "Meta_R",
  NumLock: "Num_Lock",
  NumpadEnter: "Return",
  PageDown: "Page_Down",
  PageUp: "Page_Up",
  PrintScreen: "Print",
  ScrollLock: "Scroll_Lock",
  ShiftLeft: "Shift_L",
  ShiftRight: "Shift_R",
  SuperLeft: "Super_L",
  SuperRight: "Super_R",
};

/** Meanings of keys whose place says nothing: an on-screen keyboard, or a keypad that moves the cursor. */
const RENAMED_KEYS: Readonly<Record<string, string | undefined>> = {
  Alt: "Alt_L",
  AltGraph: "ISO_Level3_Shift",
  Control: "Control_L",
  Meta: "Meta_L",
  Shift: "Shift_L",
};
