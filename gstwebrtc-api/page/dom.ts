// SPDX-License-Identifier: MPL-2.0
/**
 * Making elements. All text goes in as text, never as markup: names come from other peers.
 *
 * @module
 */

type Child = Node | string | null | false;

/** Attributes by name; true sets an empty one, false, null and undefined none. */
export type Attributes = Readonly<Record<string, string | boolean | null | undefined>>;

/** Makes an element. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") made.setAttribute(name, value);
    else if (value) made.setAttribute(name, "");
  }
  made.append(...children.filter((child) => child !== null && child !== false));
  return made;
}

/** Makes a button. */
export function button(label: string, attributes: Attributes, onClick: () => void): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", onClick);
  return made;
}

/** Makes a choice between values. */
export function choice(
  label: string,
  values: readonly (readonly [value: string, text: string])[],
  onChange: (value: string) => void,
): HTMLLabelElement {
  const select = element("select", {}, ...values.map(([value, text]) => element("option", { value }, text)));
  select.addEventListener("change", () => onChange(select.value));
  return element("label", { class: "field" }, element("span", {}, label), select);
}

/** Sets text only when it differs, so that screen readers do not read it again. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** The element with this id, which is part of index.html. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html lacks #${id}`);
  return found;
}
