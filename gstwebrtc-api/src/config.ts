// SPDX-License-Identifier: MPL-2.0
/**
 * Options of the library and their defaults.
 *
 * @module
 */

/** Options of {@link GstWebRTCAPI}; every one may be left out. */
export interface GstWebRTCConfig {
  /** Free information announced to the peers; anything but an object counts as null. Default: null. */
  meta?: Record<string, unknown> | null;
  /**
   * Websocket URL of the signalling server, or several that are tried in turn until one answers.
   * Default: `ws://127.0.0.1:8443`.
   */
  signalingServerUrl?: string | readonly string[];
  /**
   * Milliseconds to wait before the first attempt to reconnect; later attempts wait longer, up to
   * `maxReconnectionDelay`. 0 or less: never reconnect. Default: 2500.
   */
  reconnectionTimeout?: number;
  /** Longest wait between two attempts to reconnect, in milliseconds. Default: 30000. */
  maxReconnectionDelay?: number;
  /**
   * Passed to every `RTCPeerConnection`; a given object replaces the default one whole. Default: `max-bundle` and
   * two public STUN servers. A page that must not talk to third parties gives its own, for example `{}`.
   */
  webrtcConfig?: RTCConfiguration;
  /**
   * Milliseconds a session may take from `connect()` until its media connection stands; then it ends with the
   * reason `timeout`. 0: no limit. Default: 20000.
   */
  connectTimeout?: number;
  /** Whether the constructor connects at once; otherwise `connect()` does. Default: true. */
  autoConnect?: boolean;
  /** Closes the API when it aborts. Default: none. */
  signal?: AbortSignal | null;
  /**
   * How much video to hold back for smoothness in each consumer session, in milliseconds; 0 asks for the lowest
   * latency, null leaves it to the browser. Default: null.
   */
  jitterBufferTarget?: number | null;
}

/** {@link GstWebRTCConfig} with every option decided. */
export interface ResolvedConfig {
  readonly meta: Record<string, unknown> | null;
  readonly signalingServerUrls: readonly string[];
  readonly reconnectionTimeout: number;
  readonly maxReconnectionDelay: number;
  readonly webrtcConfig: RTCConfiguration;
  readonly connectTimeout: number;
  readonly autoConnect: boolean;
  readonly signal: AbortSignal | null;
  readonly jitterBufferTarget: number | null;
}

/** What an option is when the application says nothing about it. */
export const DEFAULT_CONFIG: Readonly<Required<GstWebRTCConfig>> = Object.freeze<Required<GstWebRTCConfig>>({
  meta: null,
  signalingServerUrl: "ws://127.0.0.1:8443",
  reconnectionTimeout: 2500,
  maxReconnectionDelay: 30_000,
  webrtcConfig: {
    iceServers: [{ urls: ["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"] }],
    bundlePolicy: "max-bundle",
  },
  // Twice the sink's own limit (`session-timeout`, 10 s), so that its more precise reason arrives first.
  connectTimeout: 20_000,
  autoConnect: true,
  signal: null,
  jitterBufferTarget: null,
});

/** Fills what `config` leaves open with the defaults, one level deep. */
export function resolveConfig(config: GstWebRTCConfig = {}): ResolvedConfig {
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  const { signalingServerUrl, meta, ...rest } = { ...DEFAULT_CONFIG, ...(given as GstWebRTCConfig) };
  const urls = typeof signalingServerUrl === "string" ? [signalingServerUrl] : [...signalingServerUrl];
  return { ...rest, meta: isRecord(meta) ? meta : null, signalingServerUrls: urls };
}

/** Whether `value` is an object with named fields, so neither null nor an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
