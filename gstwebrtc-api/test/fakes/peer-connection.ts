// SPDX-License-Identifier: MPL-2.0
/** An `RTCPeerConnection` whose network and other side are the test. */

import { FakeMediaStream, FakeTrack } from "./media.js";

export class FakeDataChannel {
  onclose: (() => void) | null = null;
  onerror: ((event: { error: { sctpCauseCode: number | null } }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readyState = "open";
  bufferedAmount = 0;
  readonly sent: Record<string, unknown>[] = [];

  constructor(readonly label: string) {}

  send(text: string): void {
    if (this.readyState !== "open") throw new Error("the channel is not open");
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.readyState = "closed";
  }

  /** The other side says something. */
  say(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** As the type that the library takes. */
  asChannel(): RTCDataChannel {
    return this as unknown as RTCDataChannel;
  }
}

export class FakeSender {
  track: FakeTrack | null;

  constructor(track: FakeTrack) {
    this.track = track;
  }

  replaceTrack(track: FakeTrack | null): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }
}

interface Description {
  type: string;
  sdp: string;
}

export class FakePeerConnection {
  static readonly all: FakePeerConnection[] = [];
  /** What the next descriptions do: an error makes setting one fail. */
  static failure: Error | null = null;

  onicecandidate: ((event: { candidate: { candidate: string; toJSON(): unknown } | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((event: unknown) => void) | null = null;
  ondatachannel: ((event: { channel: FakeDataChannel }) => void) | null = null;
  connectionState = "new";
  signalingState = "stable";
  iceConnectionState = "new";
  localDescription: Description | null = null;
  remoteDescription: Description | null = null;
  sctp: { transport: { state: string; onstatechange: (() => void) | null } } | null = null;
  isClosed = false;
  restarts = 0;
  offerOptions: unknown;
  report = new Map<string, unknown>();
  readonly candidates: unknown[] = [];
  readonly channels: FakeDataChannel[] = [];
  readonly receivers: { track: FakeTrack; jitterBufferTarget: number | null }[] = [];
  readonly senders: FakeSender[] = [];
  readonly preferences: string[][] = [];

  constructor(readonly configuration: unknown) {
    FakePeerConnection.all.push(this);
  }

  /** The newest connection. */
  static get last(): FakePeerConnection {
    const connection = FakePeerConnection.all.at(-1);
    if (!connection) throw new Error("no peer connection was made");
    return connection;
  }

  createOffer(options?: unknown): Promise<Description> {
    this.offerOptions = options;
    return Promise.resolve({ type: "offer", sdp: "our offer" });
  }

  createAnswer(): Promise<Description> {
    return Promise.resolve({ type: "answer", sdp: `answer to ${this.remoteDescription?.sdp ?? "nothing"}` });
  }

  setLocalDescription(description: Description): Promise<void> {
    this.localDescription = description;
    this.signalingState = description.type === "offer" ? "have-local-offer" : "stable";
    return Promise.resolve();
  }

  setRemoteDescription(description: Description): Promise<void> {
    if (FakePeerConnection.failure) return Promise.reject(FakePeerConnection.failure);
    this.remoteDescription = description;
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
    return Promise.resolve();
  }

  addIceCandidate(candidate?: { candidate: string }): Promise<void> {
    if (candidate?.candidate === "bad") return Promise.reject(new Error("bad candidate"));
    this.candidates.push(candidate);
    return Promise.resolve();
  }

  addTrack(track: FakeTrack): FakeSender {
    const sender = new FakeSender(track);
    this.senders.push(sender);
    return sender;
  }

  removeTrack(sender: FakeSender): void {
    sender.track = null;
  }

  createDataChannel(label: string): FakeDataChannel {
    const channel = new FakeDataChannel(label);
    this.channels.push(channel);
    return channel;
  }

  getSenders(): FakeSender[] {
    return this.senders;
  }

  getReceivers(): unknown[] {
    return this.receivers;
  }

  getTransceivers(): unknown[] {
    return this.senders.map((sender) => ({
      sender,
      receiver: { transport: null },
      setCodecPreferences: (codecs: { mimeType: string }[]) => {
        this.preferences.push(codecs.map(({ mimeType }) => mimeType));
      },
    }));
  }

  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(this.report);
  }

  restartIce(): void {
    this.restarts += 1;
  }

  close(): void {
    this.isClosed = true;
  }

  /** The browser found a candidate. */
  gather(candidate: string): void {
    const sdpMLineIndex = 0;
    this.onicecandidate?.({ candidate: { candidate, toJSON: () => ({ candidate, sdpMLineIndex }) } });
  }

  /** The network does something. */
  become(connectionState: string, iceConnectionState = connectionState): void {
    this.connectionState = connectionState;
    this.iceConnectionState = iceConnectionState;
    this.onconnectionstatechange?.();
  }

  /** Media arrives. */
  receiveTrack(stream: FakeMediaStream | null, kind: "video" | "audio" = "video"): FakeTrack {
    const track = new FakeTrack(kind);
    const receiver = { track, jitterBufferTarget: null };
    this.receivers.push(receiver);
    this.ontrack?.({ streams: stream ? [stream] : [], track, receiver });
    return track;
  }

  /** The other side opened a data channel. */
  receiveChannel(label: string): FakeDataChannel {
    const channel = new FakeDataChannel(label);
    this.ondatachannel?.({ channel });
    return channel;
  }
}

/** What the fake browser can send. */
export const FakeSenderClass = {
  getCapabilities: (): { codecs: { mimeType: string }[] } => ({
    codecs: ["video/VP8", "video/rtx", "video/H264", "video/VP9"].map((mimeType) => ({ mimeType })),
  }),
};
