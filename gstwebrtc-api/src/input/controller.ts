// SPDX-License-Identifier: MPL-2.0
/**
 * Remote control of a producer over a data channel of a consumer session.
 *
 * @module
 */

import { ControlRequestError, textOf } from "../errors.js";
import { detailEvent, errorEvent, TypedEventTarget } from "../events.js";
import type { ConsumerSession } from "../session/consumer.js";
import { NavigationCapture } from "./capture.js";
import {
  ControlChannel,
  parseControlMessage,
  type ControlInformation,
  type ControlRequest,
  type ControlResponse,
} from "./channel.js";
import type { NavigationEvent } from "./events.js";

/** Events of a {@link RemoteController}. */
export interface RemoteControllerEvents {
  /** Something could not be sent or understood. */
  error: ErrorEvent;
  /** The controller is of no more use. */
  closed: Event;
  /** Information from the producer. */
  info: CustomEvent<ControlInformation>;
  /** The producer's answer to a request. */
  controlResponse: CustomEvent<ControlResponse>;
}

/** Options of a control request. */
export interface ControlRequestOptions {
  /** The stream that the request is about, as named in the session description; all streams without it. */
  mid?: string;
}

/** Controls the producer of a {@link ConsumerSession}. */
export class RemoteController extends TypedEventTarget<RemoteControllerEvents> {
  readonly #session: ConsumerSession;
  readonly #control: ControlChannel;
  #channel: RTCDataChannel | null;
  #element: HTMLVideoElement | null = null;
  #capture: NavigationCapture | null = null;

  /** @internal */
  constructor(channel: RTCDataChannel, session: ConsumerSession) {
    super();
    this.#session = session;
    this.#channel = channel;
    this.#control = new ControlChannel(channel);
    channel.onclose = () => this.close();
    channel.onerror = (event) => this.#channelFailed(event);
    channel.onmessage = ({ data }) => this.#received(data);
  }

  /** The data channel; null after the end. */
  get rtcDataChannel(): RTCDataChannel | null {
    return this.#channel;
  }

  /** The session that this controls. */
  get consumerSession(): ConsumerSession {
    return this.#session;
  }

  /** The element whose mouse, touch and key events are sent, if any. */
  get videoElement(): HTMLVideoElement | null {
    return this.#element;
  }

  /**
   * Sends what the user does on a video element, in place of the element attached before.
   *
   * @param element - null to send nothing any more; anything but a video element is ignored
   */
  attachVideoElement(element: HTMLVideoElement | null): void {
    if (element !== null && !(element instanceof HTMLVideoElement)) return;
    if (!this.#channel || element === this.#element) return;
    this.#capture?.stop();
    this.#element = element;
    this.#capture =
      element && new NavigationCapture(element, (event, isOptional) => this.#navigate(event, isOptional));
  }

  /**
   * Sends a request; the answer comes as a `controlResponse` event with the same number.
   *
   * @param request - an object, or the JSON text of one
   * @returns the number of the request, or -1 after an `error` event if it could not be sent
   */
  sendControlRequest(request: ControlRequest, options: ControlRequestOptions = {}): number {
    try {
      return this.#control.request(request, options.mid);
    } catch (error) {
      this.#sendFailed(error);
      return -1;
    }
  }

  /**
   * Sends a request and waits for the answer.
   *
   * @throws ControlRequestError if the producer refuses the request, or the channel closes before the answer
   */
  request(request: ControlRequest, options: ControlRequestOptions = {}): Promise<ControlResponse> {
    return new Promise((resolve, reject) => {
      const settled = new AbortController();
      const fail = (id: number, message: string): void => {
        settled.abort();
        reject(new ControlRequestError(id, message));
      };
      const id = this.sendControlRequest(request, options);
      if (id < 0) {
        fail(id, "the request could not be sent");
        return;
      }
      this.addEventListener("closed", () => fail(id, "the channel was closed"), { signal: settled.signal });
      const answered = ({ detail }: CustomEvent<ControlResponse>): void => {
        if (detail.id !== id) return;
        if (detail.error !== null) fail(id, detail.error);
        settled.abort();
        resolve(detail);
      };
      this.addEventListener("controlResponse", answered, { signal: settled.signal });
    });
  }

  /** Detaches the element and closes the channel. */
  close(): void {
    const channel = this.#channel;
    if (!channel) return;
    this.attachVideoElement(null);
    this.#channel = null;
    channel.onclose = channel.onerror = channel.onmessage = null;
    channel.close();
    this.dispatchEvent(new Event("closed"));
  }

  #navigate(event: NavigationEvent, isOptional: boolean): void {
    const isLate = isOptional && this.#control.isCongested;
    if (isLate || this.#channel?.readyState !== "open") return;
    try {
      this.#control.navigate(event);
    } catch (error) {
      this.#sendFailed(error);
    }
  }

  #received(data: unknown): void {
    const message = parseControlMessage(data);
    if (!message) this.dispatchEvent(errorEvent("cannot parse control message from signaling server"));
    else if (message.type === "InfoMessage") this.dispatchEvent(detailEvent("info", message));
    else this.dispatchEvent(detailEvent("controlResponse", message));
  }

  #sendFailed(error: unknown): void {
    const what = `cannot send control message over session ${this.#session.sessionId} remote controller`;
    this.dispatchEvent(errorEvent(what, new Error(textOf(error), { cause: error })));
  }

  #channelFailed(event: RTCErrorEvent): void {
    // The peer that closes its connection aborts the association, which is an end and no error.
    const isAbort = event.error.sctpCauseCode === SCTP_USER_INITIATED_ABORT;
    if (this.#channel && !isAbort) this.dispatchEvent(errorEvent("Remote controller error", event.error));
    this.close();
  }
}

/** Cause code of an association that the other side closed on purpose (RFC 9260, 3.3.10.12). */
const SCTP_USER_INITIATED_ABORT = 12;
