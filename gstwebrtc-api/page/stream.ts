// SPDX-License-Identifier: MPL-2.0
/**
 * One entry in the list of streams: a producer, and the session with it while it is watched.
 *
 * @module
 */

import { SessionState, type ConsumerSession, type GstWebRTCAPI, type Peer } from "../src/index.js";
import { button, choice, element, setText } from "./dom.js";
import { Player } from "./player.js";
import { endText, nameOf, sessionStatus } from "./words.js";

/** An entry of the list, until it removes itself. */
export class StreamEntry {
  /** To be put into the page. */
  readonly element: HTMLLIElement;
  readonly #api: GstWebRTCAPI;
  readonly #producer: Peer;
  readonly #onRemoved: () => void;
  readonly #status = element("p", { class: "status plain", role: "status" });
  readonly #toggle = button("Watch", { class: "primary watch" }, () => this.#switch());
  readonly #options = new WatchOptions((targetMs) => {
    if (this.#session) this.#session.jitterBufferTarget = targetMs;
  });
  #session: ConsumerSession | null = null;
  #player: Player | null = null;
  #isPresent = true;

  /**
   * @param api - where to get sessions from
   * @param producer - who sends
   * @param onRemoved - called when the entry has removed itself
   */
  constructor(api: GstWebRTCAPI, producer: Peer, onRemoved: () => void) {
    this.#api = api;
    this.#producer = producer;
    this.#onRemoved = onRemoved;
    const name = nameOf(producer);
    const title = element("div", { class: "title" }, element("h3", {}, name), this.#status);
    this.#toggle.setAttribute("aria-label", `Watch ${name}`);
    this.element = element(
      "li",
      { class: "card stream", "data-producer": producer.id },
      element("header", {}, title, this.#toggle),
      this.#options.element,
    );
    this.#show();
  }

  /** The producer is no longer listed: the entry stays while media still plays, or its end is to be read. */
  producerLeft(): void {
    this.#isPresent = false;
    if (this.#session) this.#show();
    else this.#remove();
  }

  /** The producer is listed again under the same id. */
  producerReturned(): void {
    this.#isPresent = true;
    this.#show();
  }

  #switch(): void {
    if (this.#session && this.#session.state !== SessionState.closed) this.#session.close();
    else if (this.#isPresent) this.#watch();
    else this.#remove();
  }

  #watch(): void {
    const session = this.#options.createSession(this.#api, this.#producer.id);
    if (!session) {
      this.#say("The signalling server is not connected.", "bad");
      return;
    }
    this.#session = session;
    this.#player = new Player(session);
    this.#options.element.before(this.#player.element);
    for (const type of ["stateChanged", "connectivityChanged"]) session.addEventListener(type, () => this.#show());
    session.addEventListener("closed", () => this.#ended(session));
    session.connect();
    this.#show();
  }

  #ended(session: ConsumerSession): void {
    this.#player?.stop();
    this.#player = null;
    const end = session.endReason && endText(session.endReason);
    if (!this.#isPresent && !end) {
      this.#remove();
      return;
    }
    if (!end) this.#session = null;
    this.#show();
  }

  #show(): void {
    const session = this.#session;
    const isOpen = session !== null && session.state !== SessionState.closed;
    const label = isOpen ? "Stop" : this.#isPresent ? (session ? "Watch again" : "Watch") : "Dismiss";
    setText(this.#toggle, label);
    this.#toggle.setAttribute("aria-label", `${label} ${nameOf(this.#producer)}`);
    this.element.classList.toggle("open", isOpen);
    this.#options.element.hidden = !isOpen && !this.#isPresent;
    const { text, tone } = session ? sessionStatus(session) : { text: "Available", tone: "plain" };
    this.#say(text, tone);
  }

  #say(text: string, tone: string): void {
    setText(this.#status, text);
    this.#status.className = `status ${tone}`;
  }

  #remove(): void {
    this.#player?.stop();
    this.element.remove();
    this.#onRemoved();
  }
}

/** How a stream is to be watched. */
class WatchOptions {
  readonly element: HTMLDetailsElement;
  readonly #offer = element("input", { type: "text", spellcheck: "false", placeholder: '{"offerToReceiveVideo": true}' });
  readonly #stereo = element("input", { type: "checkbox" });
  #targetMs: number | null = null;

  constructor(onTargetChanged: (targetMs: number | null) => void) {
    const latency = choice("Latency", LATENCIES, (value) => {
      this.#targetMs = value === "" ? null : Number(value);
      onTargetChanged(this.#targetMs);
    });
    this.#stereo.checked = true;
    this.element = element(
      "details",
      { class: "options" },
      element("summary", {}, "Options"),
      latency,
      element("label", { class: "field" }, element("span", {}, "Offer options; empty: the sender offers"), this.#offer),
      element("label", { class: "check" }, this.#stereo, "Stereo sound"),
    );
  }

  createSession(api: GstWebRTCAPI, producerId: string): ConsumerSession | null {
    const options = { jitterBufferTarget: this.#targetMs };
    const offerOptions = this.#offerOptions();
    const session = offerOptions
      ? api.createConsumerSessionWithOfferOptions(producerId, offerOptions, options)
      : api.createConsumerSession(producerId, options);
    if (session) session.mungeStereoHack = this.#stereo.checked;
    return session;
  }

  /** What is not JSON counts as none, and the field says so. */
  #offerOptions(): RTCOfferOptions | null {
    const text = this.#offer.value.trim();
    this.#offer.setCustomValidity("");
    if (text === "") return null;
    try {
      return JSON.parse(text) as RTCOfferOptions;
    } catch {
      this.#offer.setCustomValidity("This is not JSON.");
      this.#offer.reportValidity();
      return null;
    }
  }
}

const LATENCIES = [
  ["", "Automatic"],
  ["0", "Lowest"],
  ["200", "200 ms"],
  ["1000", "1 s, smoothest"],
] as const;
