// SPDX-License-Identifier: MPL-2.0
/**
 * A session in which this page sends media: one per consumer of a producer session.
 *
 * @module
 */

import type { PeerMessage } from "../signalling/messages.js";
import { WebRTCSession, type SessionContext } from "./session.js";
import { SessionState } from "./state.js";

/** What a client session sends, and how. */
export interface Outgoing {
  /** The stream as it is when the session starts. */
  readonly stream: MediaStream;
  /** Codecs to prefer, best first: encoding names such as `H264` or media types such as `video/VP9`. */
  readonly codecs: readonly string[];
}

/** Sends the stream of a {@link ProducerSession} to one consumer. */
export class ClientSession extends WebRTCSession {
  readonly #outgoing: Outgoing;

  /** @internal */
  constructor(peerId: string, sessionId: string, context: SessionContext, outgoing: Outgoing) {
    super(peerId, context);
    this.#outgoing = outgoing;
    this.setSessionId(sessionId);
  }

  /** @internal Begins with an offer, or with the answer to the consumer's own. */
  start(offer: string | null): void {
    this.setState(SessionState.streaming);
    this.feedLiveness("started");
    const link = this.createLink();
    if (offer === null) link.offer();
    else link.accept({ sdp: { type: "offer", sdp: offer } });
  }

  /** @internal */
  override accept(message: PeerMessage): void {
    this.link?.accept(message);
  }

  /** @internal Sends one more track, by another offer. */
  addTrack(track: MediaStreamTrack): void {
    if (!this.rtcPeerConnection) return;
    this.#send(this.rtcPeerConnection, track);
    this.link?.renegotiate();
  }

  /** @internal Sends a track no longer, by another offer. */
  removeTrack(track: MediaStreamTrack): void {
    const sender = this.rtcPeerConnection?.getSenders().find((sender) => sender.track === track);
    if (!sender) return;
    this.rtcPeerConnection?.removeTrack(sender);
    this.link?.renegotiate();
  }

  /** @internal Sends another track, or none, in place of one that is sent. */
  async replaceTrack(previous: MediaStreamTrack, next: MediaStreamTrack | null): Promise<void> {
    const senders = this.rtcPeerConnection?.getSenders() ?? [];
    await senders.find(({ track }) => track === previous)?.replaceTrack(next);
  }

  protected override get isOfferer(): boolean {
    return true;
  }

  protected override onLinkCreated(connection: RTCPeerConnection): void {
    for (const track of this.#outgoing.stream.getTracks()) this.#send(connection, track);
  }

  protected override onFinished(): void {
    // The tracks belong to the producer session.
  }

  #send(connection: RTCPeerConnection, track: MediaStreamTrack): void {
    const sender = connection.addTrack(track, this.#outgoing.stream);
    const transceiver = connection.getTransceivers().find((transceiver) => transceiver.sender === sender);
    if (transceiver) preferCodecs(transceiver, this.#outgoing.codecs);
  }
}

/** Orders what is offered by `wanted`; what is not wanted stays, behind it. */
function preferCodecs(transceiver: RTCRtpTransceiver, wanted: readonly string[]): void {
  const kind = transceiver.sender.track?.kind ?? "video";
  const known = RTCRtpSender.getCapabilities(kind)?.codecs ?? [];
  const rank = ({ mimeType }: { mimeType: string }): number => {
    const type = mimeType.toLowerCase();
    const index = wanted.findIndex((name) => [type, type.split("/")[1]].includes(name.toLowerCase()));
    return index < 0 ? wanted.length : index;
  };
  if (known.some((codec) => rank(codec) < wanted.length)) {
    transceiver.setCodecPreferences([...known].sort((a, b) => rank(a) - rank(b)));
  }
}
