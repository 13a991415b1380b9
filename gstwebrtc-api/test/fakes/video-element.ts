// SPDX-License-Identifier: MPL-2.0
/** An `HTMLVideoElement` of a given size, without a document. */

export class FakeVideoElement extends EventTarget {
  readonly attributes = new Map<string, string>();
  clientWidth = 640;
  clientHeight = 480;
  clientLeft = 0;
  clientTop = 0;
  videoWidth = 1280;
  videoHeight = 720;
  style: Record<string, string> = { paddingLeft: "0px", paddingTop: "0px", objectFit: "contain" };
  isFocused = false;

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }

  getBoundingClientRect(): { left: number; top: number } {
    return { left: 100, top: 50 };
  }

  focus(): void {
    this.isFocused = true;
  }

  /** Something happens on the element; returns whether its default action was prevented. */
  happen(type: string, fields: Record<string, unknown> = {}): boolean {
    const event = new Event(type, { cancelable: true });
    const timeStamp = FakeVideoElement.#now++;
    const all = { ...NOTHING_HELD, timeStamp, ...fields };
    for (const [name, value] of Object.entries(all)) Object.defineProperty(event, name, { value });
    this.dispatchEvent(event);
    return event.defaultPrevented;
  }

  static #now = 1;

  /** As the type that the library takes. */
  asElement(): HTMLVideoElement {
    return this as unknown as HTMLVideoElement;
  }
}

const NOTHING_HELD = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, buttons: 0, button: 0 };
