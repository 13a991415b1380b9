// SPDX-License-Identifier: MPL-2.0
/**
 * The section that sends: camera, microphone or screen of this computer, to everybody who asks or to one passive
 * consumer.
 *
 * @module
 */

import {
  SessionState,
  type ClientSession,
  type GstWebRTCAPI,
  type Peer,
  type ProducerSession,
} from "../src/index.js";
import { button, choice, element, setText } from "./dom.js";
import { StatisticsPanel } from "./statistics.js";
import { captureText, nameOf, sessionStatus } from "./words.js";

/** What can be captured. */
const SOURCES = [
  ["camera", "Camera and microphone"],
  ["silent", "Camera only"],
  ["screen", "Screen"],
] as const;

const CODECS = [
  ["", "Automatic"],
  ["H264", "H.264"],
  ["VP8", "VP8"],
  ["VP9", "VP9"],
  ["AV1", "AV1"],
] as const;

/** Asked of a camera, as far as it can. */
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 } };

/** The section, for the life of the page. */
export class CaptureSection {
  readonly #api: GstWebRTCAPI;
  readonly #preview = element("video", { playsinline: true, autoplay: true, muted: true, "aria-label": "Preview" });
  readonly #stage = element("div", { class: "stage", hidden: true }, this.#preview);
  readonly #toggle = button("Start capture", { class: "primary capture" }, () => void this.#switch(null));
  readonly #status = element("p", { class: "status plain", role: "status" });
  readonly #clients = element("ul", { class: "clients", "aria-label": "Viewers" });
  readonly #consumers = element("ul", { class: "consumers", "aria-label": "Waiting receivers" });
  #source = "camera";
  #codec = "";
  #session: ProducerSession | null = null;

  /**
   * @param api - where to get sessions from
   * @param parent - where to put the section's content
   */
  constructor(api: GstWebRTCAPI, parent: HTMLElement) {
    this.#api = api;
    this.#preview.muted = true;
    const source = choice("Source", SOURCES, (value) => void this.#sourceChosen(value));
    const codec = choice("Preferred codec", CODECS, (value) => (this.#codec = value));
    parent.append(
      element("div", { class: "row" }, source, codec, this.#toggle),
      this.#status,
      this.#stage,
      this.#clients,
      this.#consumers,
    );
  }

  /** A passive consumer waits to be sent something. */
  consumerAdded(consumer: Peer): void {
    const send = button("Send to it", {}, () => void this.#switch(consumer.id));
    this.#consumers.append(element("li", { "data-consumer": consumer.id }, element("bdi", {}, nameOf(consumer)), " waits ", send));
  }

  /** A passive consumer left. */
  consumerRemoved(consumer: Peer): void {
    for (const entry of [...this.#consumers.children]) {
      if (entry instanceof HTMLElement && entry.dataset["consumer"] === consumer.id) entry.remove();
    }
  }

  async #switch(consumerId: string | null): Promise<void> {
    if (this.#session) {
      this.#session.close();
      return;
    }
    this.#toggle.disabled = true;
    try {
      this.#start(await capture(this.#source), consumerId);
    } catch (error) {
      this.#say(captureText(error), "bad");
    } finally {
      this.#toggle.disabled = false;
    }
  }

  #start(stream: MediaStream, consumerId: string | null): void {
    const options = { codecs: this.#codec ? [this.#codec] : [] };
    const session = consumerId
      ? this.#api.createProducerSessionForConsumer(stream, consumerId, options)
      : this.#api.createProducerSession(stream, options);
    if (!session) {
      stopTracks(stream.getTracks());
      this.#say("The signalling server is not connected.", "bad");
      return;
    }
    this.#session = session;
    this.#preview.srcObject = stream;
    session.addEventListener("stateChanged", () => this.#show());
    session.addEventListener("error", ({ message }) => this.#say(message, "bad"));
    session.addEventListener("closed", () => this.#stopped());
    session.addEventListener("clientConsumerAdded", ({ detail }) => this.#clients.append(clientEntry(detail)));
    this.#endWithTracks(stream, session);
    session.start();
    this.#show();
  }

  /** A screen share is also ended by the browser's own button. */
  #endWithTracks(stream: MediaStream, session: ProducerSession): void {
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => {
        if (stream.getTracks().includes(track)) session.close();
      });
    }
  }

  #stopped(): void {
    this.#session = null;
    this.#preview.srcObject = null;
    this.#show();
  }

  /** While capturing, another source takes the place of the present one and nobody has to connect again. */
  async #sourceChosen(source: string): Promise<void> {
    this.#source = source;
    const session = this.#session;
    if (!session) return;
    try {
      const next = await capture(source);
      if (session.state === SessionState.closed) stopTracks(next.getTracks());
      else await change(session, next);
      this.#endWithTracks(session.stream, session);
      this.#preview.srcObject = this.#session && session.stream;
    } catch (error) {
      this.#say(captureText(error), "bad");
    }
  }

  #show(): void {
    const state = this.#session?.state ?? SessionState.idle;
    this.#stage.hidden = !this.#session;
    // One stream is sent at a time.
    this.#consumers.hidden = this.#session !== null;
    setText(this.#toggle, this.#session ? "Stop capture" : "Start capture");
    const isOffered = state === SessionState.streaming;
    if (isOffered) this.#say("Offered: others can watch now.", "good");
    else this.#say(this.#session ? "Registering" : "", "busy");
  }

  #say(text: string, tone: string): void {
    setText(this.#status, text);
    this.#status.className = `status ${tone}`;
  }
}

/** One viewer: its state and figures. */
function clientEntry(session: ClientSession): HTMLLIElement {
  const status = element("span", { class: "status busy" }, "Connecting");
  const panel = new StatisticsPanel(session);
  const entry = element("li", { class: "client" }, element("span", {}, `Viewer ${session.peerId.slice(0, 8)} `), status);
  entry.append(panel.element);
  session.addEventListener("connectivityChanged", () => {
    const { text, tone } = sessionStatus(session);
    setText(status, text);
    status.className = `status ${tone}`;
  });
  session.addEventListener("closed", () => {
    panel.stop();
    entry.remove();
  });
  return entry;
}

/** Sends the tracks of `next` in place of those that are sent; a kind that it lacks is not sent any more. */
async function change(session: ProducerSession, next: MediaStream): Promise<void> {
  const previous = session.stream.getTracks();
  for (const track of previous) {
    const replacement = next.getTracks().find(({ kind }) => kind === track.kind);
    if (replacement) await session.replaceTrack(track, replacement);
    else session.removeTrack(track);
  }
  for (const track of next.getTracks()) session.addTrack(track);
  stopTracks(previous);
}

function stopTracks(tracks: readonly MediaStreamTrack[]): void {
  for (const track of tracks) track.stop();
}

async function capture(source: string): Promise<MediaStream> {
  const devices = navigator.mediaDevices;
  if (source === "screen") return devices.getDisplayMedia({ video: true, audio: true });
  return devices.getUserMedia({ video: PICTURE, audio: source === "camera" });
}
