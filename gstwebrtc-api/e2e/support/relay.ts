// SPDX-License-Identifier: MPL-2.0
/**
 * A network that can be cut: sits between one page and its peers by rewriting the candidates that travel over the
 * page's websocket, and passes on the UDP packets itself. Needs no privileges.
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Page } from "playwright-core";

/** One candidate's stand-in: what comes from elsewhere goes to the candidate, what comes from it goes back. */
interface StandIn {
  readonly socket: Socket;
  readonly port: number;
}

/** The cuttable network of one page. */
export class CuttableNetwork {
  readonly #standIns = new Map<string, Promise<StandIn>>();
  #isCut = false;
  #offers = 0;

  /** How many offers reached the page. */
  get offers(): number {
    return this.#offers;
  }

  /** Drops everything, or nothing any more. */
  setCut(isCut: boolean): void {
    this.#isCut = isCut;
  }

  /** Takes over the websockets that the page opens from now on. */
  async join(page: Page): Promise<void> {
    await page.routeWebSocket(/./, (fromPage) => {
      const server = fromPage.connectToServer();
      // One after the other, since rewriting takes time and order matters.
      let toServer = Promise.resolve();
      let toPage = Promise.resolve();
      fromPage.onMessage((text) => (toServer = toServer.then(async () => server.send(await this.#rewrite(text)))));
      server.onMessage((text) => {
        if (text.includes('"offer"')) this.#offers += 1;
        toPage = toPage.then(async () => fromPage.send(await this.#rewrite(text)));
      });
    });
  }

  /** Ends all stand-ins. */
  async close(): Promise<void> {
    for (const { socket } of await Promise.all(this.#standIns.values())) socket.close();
  }

  async #rewrite(text: string | Buffer): Promise<string> {
    const message = JSON.parse(text.toString()) as { ice?: { candidate: string }; sdp?: { sdp: string } };
    if (message.sdp) message.sdp.sdp = message.sdp.sdp.replace(/^a=candidate:.*\r\n/gm, "");
    const fields = message.ice?.candidate.split(" ");
    const [address, port] = [fields?.[4], fields?.[5]];
    if (message.ice && fields && address && port) {
      const isUsable = fields[2]?.toLowerCase() === "udp" && address.includes(".");
      // Others than IPv4 over UDP are sent nowhere, so that they cannot lead around the cut.
      fields[5] = isUsable ? String((await this.#standIn(address, Number(port))).port) : "9";
      message.ice.candidate = fields.join(" ");
    }
    return JSON.stringify(message);
  }

  #standIn(address: string, port: number): Promise<StandIn> {
    const key = `${address}:${port}`;
    const known = this.#standIns.get(key) ?? this.#open(address, port);
    this.#standIns.set(key, known);
    return known;
  }

  async #open(address: string, port: number): Promise<StandIn> {
    const socket = createSocket("udp4");
    let other: { address: string; port: number } | null = null;
    socket.on("message", (packet, from) => {
      if (this.#isCut) return;
      const isFromCandidate = from.address === address && from.port === port;
      if (!isFromCandidate) other = from;
      if (!isFromCandidate) socket.send(packet, port, address);
      else if (other) socket.send(packet, other.port, other.address);
    });
    socket.bind(0, address);
    await once(socket, "listening");
    return { socket, port: socket.address().port };
  }
}
