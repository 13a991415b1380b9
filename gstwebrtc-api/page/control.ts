// SPDX-License-Identifier: MPL-2.0
/**
 * Remote control of the producer that is watched: switched on by hand, shown while on, left by Shift+Escape, since
 * every other key, Tab among them, goes to the far end.
 *
 * @module
 */

import { ControlRequestError, type RemoteController } from "../src/index.js";
import { button, element, setText } from "./dom.js";

/** Most lines kept of what the producer said. */
const MAX_LOG_LINES = 20;

/** The controls for one remote controller. */
export class ControlPanel {
  /** Takes and gives up control; to be put where the player's buttons are. */
  readonly toggle: HTMLButtonElement;
  /** The rest, to be put below them. */
  readonly element: HTMLElement;
  readonly #controller: RemoteController;
  readonly #video: HTMLVideoElement;
  readonly #hint = element("p", { class: "hint", role: "status" });
  readonly #input = element("input", { type: "text", spellcheck: "false", "aria-label": "Control request, JSON" });
  readonly #log = element("ol", { class: "log", "aria-label": "Answers and information", "aria-live": "polite" });
  readonly #abort = new AbortController();

  /**
   * @param controller - what controls
   * @param video - where mouse, touch and keys are taken from
   */
  constructor(controller: RemoteController, video: HTMLVideoElement) {
    this.#controller = controller;
    this.#video = video;
    this.toggle = button("Take control", { class: "control", "aria-pressed": "false" }, () => this.#switch());
    this.#input.value = '{"type":"customUpstreamEvent","structureName":"my-event","structure":{}}';
    this.element = element("section", { class: "remote", "aria-label": "Remote control" }, this.#hint);
    this.element.append(this.#requestForm());
    const options = { signal: this.#abort.signal, capture: true };
    globalThis.addEventListener("keydown", (event) => this.#leaveOnEscape(event), options);
    controller.addEventListener("info", ({ detail }) => this.#say(`information: ${JSON.stringify(detail.info)}`));
    controller.addEventListener("error", ({ message }) => this.#say(message));
  }

  /** Gives up control and listens no more. */
  stop(): void {
    this.#setActive(false);
    this.#abort.abort();
    this.toggle.remove();
    this.element.remove();
  }

  #requestForm(): HTMLElement {
    const send = element("button", { type: "submit" }, "Send request");
    const form = element("form", {}, this.#input, send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#request(this.#input.value);
    });
    return element("details", {}, element("summary", {}, "Control requests"), form, this.#log);
  }

  async #request(request: string): Promise<void> {
    try {
      const { id } = await this.#controller.request(request);
      this.#say(`request ${id}: done`);
    } catch (error) {
      if (error instanceof ControlRequestError) this.#say(`request ${error.requestId}: ${error.message}`);
      else throw error;
    }
  }

  #say(text: string): void {
    this.#log.prepend(element("li", {}, text));
    while (this.#log.children.length > MAX_LOG_LINES) this.#log.lastElementChild?.remove();
  }

  #switch(): void {
    this.#setActive(this.#controller.videoElement === null);
  }

  #setActive(isActive: boolean): void {
    this.#controller.attachVideoElement(isActive ? this.#video : null);
    this.#video.classList.toggle("controlled", isActive);
    this.toggle.setAttribute("aria-pressed", String(isActive));
    setText(this.toggle, isActive ? "Give up control" : "Take control");
    setText(this.#hint, isActive ? "Mouse, touch and keys go to the sender. Shift+Esc ends that." : "");
    if (isActive) this.#video.focus();
  }

  #leaveOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !event.shiftKey || this.#controller.videoElement === null) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#setActive(false);
    this.toggle.focus();
  }
}
