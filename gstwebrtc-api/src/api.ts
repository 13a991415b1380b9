// SPDX-License-Identifier: MPL-2.0
/**
 * The entry class: one registration with a signalling server, and the sessions made over it.
 *
 * Protocol: `docs/protocol.md`. The page registers as a listener when the server welcomes it, and counts as
 * connected when the server reports that registration back; nothing can be started before.
 *
 * @module
 */

import { isRecord, resolveConfig, type GstWebRTCConfig, type ResolvedConfig } from "./config.js";
import { SignallingError } from "./errors.js";
import { detailEvent, errorEvent, TypedEventTarget } from "./events.js";
import { hasCallbacks, Listeners, PEER_CALLBACKS, type ConnectionListener, type PeerListener } from "./listeners.js";
import { ConsumerSession, type ConsumerSessionOptions } from "./session/consumer.js";
import { endFromWire } from "./session/end.js";
import { ProducerSession, type ProducerContext, type ProducerSessionOptions } from "./session/producer.js";
import { SessionState } from "./session/state.js";
import { ConsumerTable } from "./session/table.js";
import { SignallingChannel, type ChannelHandler } from "./signalling/channel.js";
import type { ClientMessage, PeerRole, ServerMessage } from "./signalling/messages.js";
import { PeerRegistry, type Peer, type PeerChange } from "./signalling/peers.js";

/** Events of {@link GstWebRTCAPI}. */
export interface GstWebRTCAPIEvents {
  /** The page is registered; the detail is its id. */
  connected: CustomEvent<string>;
  /** The connection to the signalling server was lost. Media goes on. */
  disconnected: Event;
  /** An attempt to connect failed, or the server reported something that concerns no session. */
  error: ErrorEvent;
}

/** A client of a signalling server. Connects when it is made, and again whenever the connection is lost. */
export class GstWebRTCAPI extends TypedEventTarget<GstWebRTCAPIEvents> {
  /** States of sessions. */
  static readonly SessionState = SessionState;

  readonly #connectionListeners = new Listeners<ConnectionListener>();
  readonly #peerListeners = new Listeners<PeerListener>();
  readonly #peers = new PeerRegistry();
  readonly #consumers = new ConsumerTable();
  #config: ResolvedConfig;
  #meta: Record<string, unknown> | null;
  #channel: SignallingChannel | null = null;
  #producer: ProducerSession | null = null;
  #clientId = "";
  #isVersion11 = false;

  /** @param config - options; what is left out has its default */
  constructor(config: GstWebRTCConfig = {}) {
    super();
    this.#config = resolveConfig(config);
    this.#meta = this.#config.meta;
    if (this.#config.autoConnect) this.connect();
  }

  /** This page's id at the signalling server; empty while not connected. */
  get clientId(): string {
    return this.#clientId;
  }

  /** Whether the page is registered with the signalling server. */
  get isConnected(): boolean {
    return this.#channel?.isReady ?? false;
  }

  /**
   * Connects now: needed only with `autoConnect: false` or after `close()`. While the page waits to reconnect, it
   * does so at once.
   *
   * @param config - replaces all options given before
   */
  connect(config?: GstWebRTCConfig): void {
    if (config) {
      this.#config = resolveConfig(config);
      this.#meta = this.#config.meta;
    }
    if (this.#config.signal?.aborted) return;
    if (!this.#channel) this.#openChannel();
    else this.#channel.open();
  }

  /** Ends all sessions and the connection; `connect()` starts again. */
  close(): void {
    this.#producer?.close();
    for (const session of this.#consumers.all()) session.close();
    const wasConnected = this.isConnected;
    this.#channel?.close();
    this.#channel = null;
    globalThis.removeEventListener("online", this.#onOnline);
    this.#config.signal?.removeEventListener("abort", this.#onAbort);
    if (wasConnected) this.#disconnected();
  }

  /** Changes what is announced to the peers about this page. */
  setMeta(meta: Record<string, unknown> | null): void {
    this.#meta = isRecord(meta) ? meta : null;
    if (this.isConnected) this.#announceRoles();
  }

  /** Adds a listener; false if it lacks one of the two functions. */
  registerConnectionListener(listener: ConnectionListener): boolean {
    if (!hasCallbacks(listener, ["connected", "disconnected"], 2)) return false;
    this.#connectionListeners.add(listener);
    return true;
  }

  /** Removes a listener; false if it was not there. */
  unregisterConnectionListener(listener: ConnectionListener): boolean {
    return this.#connectionListeners.remove(listener);
  }

  /** Removes all connection listeners. */
  unregisterAllConnectionListeners(): void {
    this.#connectionListeners.clear();
  }

  /** Adds a listener; false if it has none of the four functions. */
  registerPeerListener(listener: PeerListener): boolean {
    if (!hasCallbacks(listener, PEER_CALLBACKS, 1)) return false;
    this.#peerListeners.add(listener);
    return true;
  }

  /** Removes a listener; false if it was not there. */
  unregisterPeerListener(listener: PeerListener): boolean {
    return this.#peerListeners.remove(listener);
  }

  /** Removes all peer listeners. */
  unregisterAllPeerListeners(): void {
    this.#peerListeners.clear();
  }

  /** The producers of this moment, without this page. */
  getAvailableProducers(): Peer[] {
    return this.#peers.all("producer");
  }

  /** The passive consumers of this moment: peers that wait to be sent something. */
  getAvailableConsumers(): Peer[] {
    return this.#peers.all("consumer");
  }

  /**
   * Makes a session that offers a stream; `start()` starts it.
   *
   * @returns null if not connected, if `stream` is no stream, or if another one is being offered; the session
   * there is if it offers this very stream
   */
  createProducerSession(stream: MediaStream, options: ProducerSessionOptions = {}): ProducerSession | null {
    return this.#produce(stream, null, options);
  }

  /** As `createProducerSession`, and invites a passive consumer once this page is registered as a producer. */
  createProducerSessionForConsumer(
    stream: MediaStream,
    consumerId: string,
    options: ProducerSessionOptions = {},
  ): ProducerSession | null {
    return isId(consumerId) ? this.#produce(stream, consumerId, options) : null;
  }

  /**
   * Makes a session that receives from a producer; `connect()` starts it.
   *
   * @returns null if not connected or if the id is no id; the session there is with this producer if there is one
   */
  createConsumerSession(producerId: string, options: ConsumerSessionOptions = {}): ConsumerSession | null {
    return this.#consume(producerId, null, options);
  }

  /**
   * As `createConsumerSession`, but this page makes the offer.
   *
   * @param offerOptions - anything but an object: the producer makes the offer after all
   */
  createConsumerSessionWithOfferOptions(
    producerId: string,
    offerOptions: RTCOfferOptions,
    options: ConsumerSessionOptions = {},
  ): ConsumerSession | null {
    return this.#consume(producerId, isRecord(offerOptions) ? offerOptions : null, options);
  }

  #consume(
    producerId: string,
    offerOptions: RTCOfferOptions | null,
    options: ConsumerSessionOptions,
  ): ConsumerSession | null {
    if (!this.isConnected || !isId(producerId)) return null;
    const existing = this.#consumers.withProducer(producerId);
    if (existing) return existing;
    const session = new ConsumerSession(producerId, this.#context, offerOptions, options);
    if (session.state !== SessionState.closed) this.#consumers.add(session);
    return session;
  }

  #produce(
    stream: MediaStream,
    consumerId: string | null,
    options: ProducerSessionOptions,
  ): ProducerSession | null {
    const existing = this.#producer;
    if (!this.isConnected || !(stream instanceof MediaStream)) return null;
    if (existing) return existing.stream === stream ? existing : null;
    const session = new ProducerSession(stream, this.#context, consumerId, options);
    if (session.state === SessionState.closed) return session;
    this.#producer = session;
    session.addEventListener("closed", () => {
      if (this.#producer === session) this.#producer = null;
    });
    return session;
  }

  /** What sessions may use; stays the same over reconnections. */
  readonly #context: ProducerContext = makeContext(
    () => this.#config,
    () => this.#isVersion11,
    (message) => this.#send(message),
    () => this.#announceRoles(),
  );

  readonly #onOnline = (): void => this.connect();
  readonly #onAbort = (): void => this.close();

  #openChannel(): void {
    const { signalingServerUrls: urls, reconnectionTimeout, maxReconnectionDelay, signal } = this.#config;
    const handler: ChannelHandler = {
      onMessage: (message) => this.#received(message),
      onLost: () => this.#disconnected(),
      onProblem: (error) => this.#report(error),
    };
    this.#channel = new SignallingChannel({ urls, reconnectionTimeout, maxReconnectionDelay }, handler);
    // A network that came back is worth an attempt before the backoff has run out.
    if (reconnectionTimeout > 0) globalThis.addEventListener("online", this.#onOnline);
    signal?.addEventListener("abort", this.#onAbort);
    this.#channel.open();
  }

  #send(message: ClientMessage): boolean {
    return this.#channel?.send(message) ?? false;
  }

  #announceRoles(): boolean {
    const roles: PeerRole[] = this.#producer?.isActive ? ["listener", "producer"] : ["listener"];
    return this.#send({ type: "setPeerStatus", roles, meta: this.#meta });
  }

  #received(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#welcomed(message.peerId);
        break;
      case "peerStatusChanged":
        if (message.peerId === this.#clientId) this.#ownStatusChanged(message.roles);
        else this.#tell(this.#peers.statusChanged(message.peerId, message.roles, message.meta));
        break;
      case "list":
        this.#tell(this.#peers.listed("producer", message.producers));
        break;
      case "listConsumers":
        this.#tell(this.#peers.listed("consumer", message.consumers));
        break;
      case "error":
        this.#refused(message.details);
        break;
      default:
        this.#sessionMessage(message);
    }
  }

  #sessionMessage(message: SessionMessage): void {
    const { sessionId } = message;
    const consumer = this.#consumers.find(sessionId);
    switch (message.type) {
      case "sessionStarted":
        if (this.#consumers.started(message.peerId, sessionId) === "abandoned") {
          this.#send({ type: "endSession", sessionId });
        }
        break;
      case "startSession":
        if (this.#producer) this.#producer.clientArrived(message.peerId, sessionId, message.offer);
        else this.#send({ type: "endSession", sessionId });
        break;
      case "peer":
        if (consumer) consumer.accept(message.content);
        else this.#producer?.accept(sessionId, message.content);
        break;
      case "endSession":
        this.#isVersion11 ||= message.isVersion11;
        if (consumer) consumer.finish(endFromWire(message.error));
        else this.#producer?.clientEnded(sessionId, endFromWire(message.error));
    }
  }

  #welcomed(clientId: string): void {
    this.#clientId = clientId;
    this.#isVersion11 = false;
    this.#peers.setOwnId(clientId);
    // Servers that do not know versions leave this message aside.
    this.#send({ type: "setProtocolVersion", version: "v1_1" });
    this.#announceRoles();
  }

  #ownStatusChanged(roles: readonly string[]): void {
    if (roles.includes("listener") && !this.isConnected) this.#registered();
    if (roles.includes("producer")) this.#producer?.registered();
  }

  #registered(): void {
    const clientId = this.#clientId;
    this.#channel?.ready();
    this.#connectionListeners.call((listener) => listener.connected(clientId));
    this.dispatchEvent(detailEvent("connected", clientId));
    this.#send({ type: "list" });
    this.#send({ type: "listConsumers" });
  }

  #disconnected(): void {
    this.#clientId = "";
    this.#consumers.detachAll();
    this.#producer?.detach();
    this.#tell(this.#peers.clear());
    this.#connectionListeners.call((listener) => listener.disconnected());
    this.dispatchEvent(new Event("disconnected"));
  }

  #tell(changes: readonly PeerChange[]): void {
    for (const { role, isPresent, peer } of changes) {
      const callback = `${role}${isPresent ? "Added" : "Removed"}` as const;
      this.#peerListeners.call((listener) => listener[callback]?.(peer));
    }
  }

  #refused(details: string): void {
    const error = new SignallingError(details);
    if (this.#producer?.invitationRefused(error)) return;
    const session = this.#consumers.blamed(details);
    if (session) session.fail("refused", "cannot connect consumer session", error, true);
    else this.#report(error);
  }

  #report(error: SignallingError): void {
    this.dispatchEvent(errorEvent(error.message, error));
  }
}

/** Messages about one session. */
type SessionMessage = Extract<ServerMessage, { sessionId: string }>;

function makeContext(
  config: () => ResolvedConfig,
  isVersion11: () => boolean,
  send: ProducerContext["send"],
  announceRoles: ProducerContext["announceRoles"],
): ProducerContext {
  return {
    get config() {
      return config();
    },
    get isVersion11() {
      return isVersion11();
    },
    send,
    announceRoles,
  };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
