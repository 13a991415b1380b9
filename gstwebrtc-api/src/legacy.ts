// SPDX-License-Identifier: MPL-2.0
/**
 * The object `gstWebRTCAPI` of version 1: one client per page, made by the library itself.
 *
 * It connects when the page has loaded if `gstWebRTCConfig` is set or a function was called by then, else at the
 * first call. A page of version 2 or 3, which makes its own `GstWebRTCAPI`, thus never opens a second connection.
 *
 * @module
 */

import { GstWebRTCAPI } from "./api.js";
import type { GstWebRTCConfig } from "./config.js";
import { hasCallbacks, type ConnectionListener, type PeerListener } from "./listeners.js";
import type { ConsumerSession } from "./session/consumer.js";
import type { ProducerSession } from "./session/producer.js";
import { SessionState } from "./session/state.js";
import type { Peer } from "./signalling/peers.js";

/** Hears of producers; both functions are needed. */
export type ProducersListener = Required<Pick<PeerListener, "producerAdded" | "producerRemoved">>;

/** The functions of version 1. */
export interface LegacyAPI {
  readonly SessionState: typeof SessionState;
  registerConnectionListener(listener: ConnectionListener): boolean;
  unregisterConnectionListener(listener: ConnectionListener): boolean;
  unregisterAllConnectionListeners(): void;
  createProducerSession(stream: MediaStream): ProducerSession | null;
  getAvailableProducers(): Peer[];
  registerProducersListener(listener: ProducersListener): boolean;
  unregisterProducersListener(listener: ProducersListener): boolean;
  unregisterAllProducersListeners(): void;
  createConsumerSession(producerId: string): ConsumerSession | null;
}

/** What of the page matters here. */
export interface LegacyPage {
  /** The page's configuration, as it is at this moment. */
  readonly config: GstWebRTCConfig | undefined;
  /** Whether the document and its scripts have been read. */
  readonly isLoaded: boolean;
  /** Calls back once, when that is so. */
  onLoaded(callback: () => void): void;
}

/** Makes the object of version 1 for a page. */
export function createLegacyAPI(page: LegacyPage): LegacyAPI {
  const client = lazyClient(page);
  return Object.freeze({
    SessionState,
    registerConnectionListener: (listener: ConnectionListener) => client().registerConnectionListener(listener),
    unregisterConnectionListener: (listener: ConnectionListener) => client().unregisterConnectionListener(listener),
    unregisterAllConnectionListeners: () => client().unregisterAllConnectionListeners(),
    createProducerSession: (stream: MediaStream) => client().createProducerSession(stream),
    getAvailableProducers: () => client().getAvailableProducers(),
    registerProducersListener: (listener: ProducersListener) =>
      hasCallbacks(listener, ["producerAdded", "producerRemoved"], 2) && client().registerPeerListener(listener),
    unregisterProducersListener: (listener: ProducersListener) => client().unregisterPeerListener(listener),
    unregisterAllProducersListeners: () => client().unregisterAllPeerListeners(),
    createConsumerSession: (producerId: string) => client().createConsumerSession(producerId),
  });
}

function lazyClient(page: LegacyPage): () => GstWebRTCAPI {
  const client = new GstWebRTCAPI({ autoConnect: false });
  let isUsed = false;
  let isStarted = false;
  const start = (): void => {
    if (isStarted) return;
    isStarted = true;
    client.connect(page.config ?? {});
  };
  page.onLoaded(() => {
    if (isUsed || page.config) start();
  });
  return () => {
    isUsed = true;
    if (page.isLoaded) start();
    return client;
  };
}
