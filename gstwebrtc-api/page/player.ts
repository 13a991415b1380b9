// SPDX-License-Identifier: MPL-2.0
/**
 * Plays one consumer session: picture, sound, statistics, remote control.
 *
 * @module
 */

import type { ConsumerSession } from "../src/index.js";
import { ControlPanel } from "./control.js";
import { button, element, setText } from "./dom.js";
import { StatisticsPanel } from "./statistics.js";

/** A player of one session, until `stop()`. */
export class Player {
  /** To be put into the page. */
  readonly element: HTMLElement;
  readonly #session: ConsumerSession;
  readonly #video = element("video", { playsinline: true, autoplay: true });
  readonly #stage = element("div", { class: "stage busy" }, this.#video);
  readonly #mute = button("Mute", { "aria-pressed": "false" }, () => this.#setMuted(!this.#video.muted));
  readonly #volume = element("input", { type: "range", min: "0", max: "1", step: "0.05", "aria-label": "Volume" });
  readonly #toolbar = element("div", { class: "toolbar" });
  readonly #remote = element("div");
  readonly #statistics: StatisticsPanel;
  readonly #abort = new AbortController();
  #control: ControlPanel | null = null;

  /** @param session - what to play; it may be started later */
  constructor(session: ConsumerSession) {
    this.#session = session;
    this.#statistics = new StatisticsPanel(session);
    const fullScreen = button("Full screen", {}, () => void this.#stage.requestFullscreen?.());
    this.#toolbar.append(this.#mute, this.#volume, fullScreen);
    this.element = element("div", { class: "player" }, this.#stage, this.#toolbar, this.#remote);
    this.element.append(this.#statistics.element);
    this.#volume.value = "1";
    this.#volume.addEventListener("input", () => {
      this.#video.volume = Number(this.#volume.value);
      this.#setMuted(false);
    });
    this.#video.addEventListener("playing", () => this.#stage.classList.remove("busy"));
    this.#video.addEventListener("waiting", () => this.#stage.classList.add("busy"));
    const options = { signal: this.#abort.signal };
    session.addEventListener("streamsChanged", () => void this.#play(), options);
    session.addEventListener("remoteControllerChanged", () => this.#controllerChanged(), options);
  }

  /** Lets go of the session. */
  stop(): void {
    this.#abort.abort();
    this.#statistics.stop();
    this.#control?.stop();
    this.#video.srcObject = null;
    this.element.remove();
  }

  /** Without a click on the page the browser refuses sound: then it plays without, and the button says so. */
  async #play(): Promise<void> {
    this.#video.srcObject = this.#session.streams[0] ?? null;
    try {
      await this.#video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      this.#setMuted(true);
      await this.#video.play().catch(() => undefined);
    }
  }

  #setMuted(isMuted: boolean): void {
    this.#video.muted = isMuted;
    this.#mute.setAttribute("aria-pressed", String(isMuted));
    setText(this.#mute, isMuted ? "Turn sound on" : "Mute");
  }

  #controllerChanged(): void {
    this.#control?.stop();
    const controller = this.#session.remoteController;
    this.#control = controller && new ControlPanel(controller, this.#video);
    if (!this.#control) return;
    this.#toolbar.append(this.#control.toggle);
    this.#remote.append(this.#control.element);
  }
}
