// SPDX-License-Identifier: MPL-2.0
/**
 * The page: connects to the signalling server, lists the streams, and offers to send one.
 *
 * @module
 */

import "./style.css";
import { GstWebRTCAPI, type Peer } from "../src/index.js";
import { CaptureSection } from "./capture.js";
import { byId, setText } from "./dom.js";
import { signallingServers } from "./servers.js";
import { StreamEntry } from "./stream.js";
import { MAX_EXPLANATION, shortened } from "./words.js";

const servers = signallingServers(new URL(location.href));
const api = new GstWebRTCAPI({
  meta: { name: `WebClient-${Date.now()}` },
  signalingServerUrl: servers,
  autoConnect: false,
});

const streams = byId("streams");
const entries = new Map<string, StreamEntry>();
const capture = new CaptureSection(api, byId("capture"));

function producerAdded(producer: Peer): void {
  const known = entries.get(producer.id);
  if (known) {
    known.producerReturned();
    return;
  }
  const entry = new StreamEntry(api, producer, () => {
    entries.delete(producer.id);
    showEmptiness();
  });
  entries.set(producer.id, entry);
  streams.append(entry.element);
  showEmptiness();
}

function showEmptiness(): void {
  byId("no-streams").hidden = entries.size > 0 || !api.isConnected;
  byId("waiting").hidden = entries.size > 0 || api.isConnected;
}

function showConnection(text: string, tone: "good" | "busy" | "bad", details = ""): void {
  const state = byId("connection");
  setText(state, text);
  state.className = `pill ${tone}`;
  setText(byId("problem"), details);
  byId("problem").hidden = details === "";
  byId("client").hidden = !api.isConnected;
  setText(byId("client-id"), api.clientId);
  showEmptiness();
}

api.registerConnectionListener({
  connected: () => showConnection("Connected", "good"),
  disconnected: () =>
    showConnection("Reconnecting", "busy", "The signalling server was lost. What plays goes on playing meanwhile."),
});
api.registerPeerListener({
  producerAdded,
  producerRemoved: ({ id }) => entries.get(id)?.producerLeft(),
  consumerAdded: (consumer) => capture.consumerAdded(consumer),
  consumerRemoved: (consumer) => capture.consumerRemoved(consumer),
});
api.addEventListener("error", ({ message }) => {
  if (api.isConnected) showConnection("Connected", "good", `The signalling server says: ${shortened(message, MAX_EXPLANATION)}`);
  else showConnection("Not connected", "bad", unreachable());
});

function unreachable(): string {
  return `No signalling server answers at ${servers.join(" or ")}. Is it running? The page keeps trying.`;
}

byId("copy").addEventListener("click", () => {
  const done = (text: string): void => setText(byId("copied"), text);
  navigator.clipboard.writeText(api.clientId).then(
    () => done("Copied"),
    () => done("The browser did not allow that"),
  );
});

showConnection("Connecting", "busy");
api.connect();
