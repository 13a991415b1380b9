// SPDX-License-Identifier: MPL-2.0
/** Names of keys in X11. */

import { describe, expect, it } from "vitest";
import { keysymOf, UNIDENTIFIED } from "../src/input/keysyms.js";

describe("a key with text", () => {
  it.each([
    ["a", "KeyQ", "a"],
    ["A", "KeyA", "A"],
    ["1", "Numpad1", "1"],
    [" ", "Space", "space"],
    ["é", "Digit2", "eacute"],
    ["€", "KeyE", "EuroSign"],
    ["ф", "KeyA", "Cyrillic_ef"],
    ["Ω", "KeyW", "Greek_OMEGA"],
    ["ア", "", "kana_A"],
    ["ก", "KeyD", "Thai_kokai"],
    ["\u0301", "", "dead_acute"],
    ["─", "", "horizlinescan5"],
    ["中", "", "U4E2D"],
    ["😀", "", "U1F600"],
  ])("%s is called by it", (key, code, name) => {
    expect(keysymOf(key, code)).toBe(name);
  });
});

describe("a key without text", () => {
  it.each([
    ["Alt", "AltLeft", "Alt_L"],
    ["ArrowUp", "ArrowUp", "Up"],
    ["Backspace", "Backspace", "BackSpace"],
    ["CapsLock", "CapsLock", "Caps_Lock"],
    ["Control", "ControlRight", "Control_R"],
    ["Enter", "Enter", "Return"],
    ["Enter", "NumpadEnter", "Return"],
    ["Meta", "MetaLeft", "Meta_L"],
    ["PageDown", "PageDown", "Page_Down"],
    ["Shift", "ShiftRight", "Shift_R"],
    ["Delete", "Delete", "Delete"],
    ["F1", "F1", "F1"],
    ["F24", "F24", "F24"],
    ["Tab", "Tab", "Tab"],
    ["Escape", "Escape", "Escape"],
    ["PrintScreen", "PrintScreen", "Print"],
    ["ContextMenu", "ContextMenu", "Menu"],
    ["Pause", "Pause", "Pause"],
  ])("%s at %s is called by its place", (key, code, name) => {
    expect(keysymOf(key, code)).toBe(name);
  });

  it.each([
    ["Enter", "", "Return"],
    ["Backspace", "", "BackSpace"],
    ["Home", "Numpad7", "Home"],
    ["ArrowLeft", "Numpad4", "Left"],
    ["AltGraph", "", "ISO_Level3_Shift"],
  ])("%s is called by its meaning when its place %j says nothing", (key, code, name) => {
    expect(keysymOf(key, code)).toBe(name);
  });

  it.each([
    ["Dead", "BracketLeft"],
    ["Unidentified", ""],
    ["F25", "F25"],
    ["", ""],
    ["\u0001", ""],
  ])("%j at %j that X11 does not know is unidentified", (key, code) => {
    expect(keysymOf(key, code)).toBe(UNIDENTIFIED);
  });
});
