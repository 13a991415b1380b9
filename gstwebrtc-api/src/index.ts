// SPDX-License-Identifier: MPL-2.0
/**
 * Consume and produce WebRTC streams of the GStreamer elements `webrtcsink` and `webrtcsrc`.
 *
 * ```ts
 * import GstWebRTCAPI from "gstwebrtc-api";
 *
 * const api = new GstWebRTCAPI({ signalingServerUrl: "wss://example.org:8443" });
 * api.registerPeerListener({
 *   async producerAdded({ id }) {
 *     const session = await api.createConsumerSession(id)?.play();
 *     document.querySelector("video").srcObject = session?.streams[0] ?? null;
 *   },
 * });
 * ```
 *
 * @module
 */

export { GstWebRTCAPI, GstWebRTCAPI as default, type GstWebRTCAPIEvents } from "./api.js";
export { DEFAULT_CONFIG, type GstWebRTCConfig } from "./config.js";
export { ControlRequestError, SessionEndedError, SignallingError } from "./errors.js";
export type { ListenerOptions, TypedEventTarget } from "./events.js";
export type { ControlInformation, ControlRequest, ControlResponse } from "./input/channel.js";
export { RemoteController, type ControlRequestOptions, type RemoteControllerEvents } from "./input/controller.js";
export type { ConnectionListener, PeerListener } from "./listeners.js";
export { ClientSession } from "./session/client.js";
export { ConsumerSession, type ConsumerSessionEvents, type ConsumerSessionOptions } from "./session/consumer.js";
export type { SessionEnd, SessionEndReason } from "./session/end.js";
export type { Connectivity } from "./session/liveness.js";
export { ProducerSession, type ProducerSessionEvents, type ProducerSessionOptions } from "./session/producer.js";
export { WebRTCSession, type WebRTCSessionEvents } from "./session/session.js";
export { SessionState } from "./session/state.js";
export type { Peer } from "./signalling/peers.js";
export type { AudioStatistics, MediaStatistics, SessionStatistics, VideoStatistics } from "./statistics.js";
