// SPDX-License-Identifier: MPL-2.0
// The page: a card for each consumer of a webrtcsink-stats-server, and live plots of the one that is clicked.
//
// ?remote-url=HOST:PORT chooses another server than 127.0.0.1:8484.
"use strict";

const RECONNECT_MS = 500;
const REDRAW_MS = 50;

const element = (id) => document.getElementById(id);
const dialog = element("details");
const plots = PLOTS.map((name) => new Plot(name, element("plots")));
/** Card and history by consumer. */
const consumers = new Map();
let shown;

function card(id) {
  const button = document.createElement("button");
  button.className = "consumer";
  button.innerHTML = "<b></b><span class=codec></span><br><span></span>";
  button.querySelector("b").textContent = id;
  button.addEventListener("click", () => {
    shown = id;
    dialog.querySelector("h2").textContent = id;
    dialog.showModal();
  });
  element("consumers").append(button);
  return button;
}

function update(id, statistics) {
  const { codec, mitigation, values } = sample(statistics);
  if (!consumers.has(id)) consumers.set(id, { card: card(id), history: new History() });
  const consumer = consumers.get(id);
  consumer.history.push(values);
  consumer.card.querySelector(".codec").textContent = codec;
  const mode = consumer.card.lastElementChild;
  mode.className = `mitigation ${mitigation.join(" ")}`;
  mode.textContent = mitigation.join(", ");
}

function forget(id) {
  consumers.get(id).card.remove();
  consumers.delete(id);
  if (id === shown) dialog.close();
}

function receive(text) {
  const all = JSON.parse(text);
  for (const id of [...consumers.keys()]) if (!(id in all)) forget(id);
  for (const [id, statistics] of Object.entries(all)) update(id, statistics);
}

function show(state) {
  element("state").textContent = element("state").className = state;
}

function connect() {
  const server = new URLSearchParams(location.search).get("remote-url") ?? "127.0.0.1:8484";
  const socket = new WebSocket(`ws://${server}`);
  socket.addEventListener("open", () => show("connected"));
  socket.addEventListener("error", () => show("error"));
  socket.addEventListener("message", (message) => receive(message.data));
  socket.addEventListener("close", () => {
    for (const id of [...consumers.keys()]) forget(id);
    setTimeout(connect, RECONNECT_MS);
  });
}

setInterval(() => {
  const consumer = consumers.get(shown);
  if (dialog.open && consumer) for (const plot of plots) plot.draw(consumer.history);
}, REDRAW_MS);
connect();
