// SPDX-License-Identifier: MPL-2.0
/**
 * Which other peers are present, and as what. Pure: each input returns the changes that listeners hear of.
 *
 * A peer that is both producer and consumer is reported once for each. A producer whose meta changed is not
 * reported again, only its entry is renewed.
 *
 * @module
 */

import { isRecord } from "../config.js";
import type { ListedPeer } from "./messages.js";

/** Another peer of the signalling server. Frozen. */
export interface Peer {
  /** Its id; a new one each time it connects. */
  readonly id: string;
  /** What it announced about itself; empty if it announced nothing. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** The two roles that are listed. */
export type ListedRole = "producer" | "consumer";

/** One change of the lists. */
export interface PeerChange {
  readonly role: ListedRole;
  readonly isPresent: boolean;
  readonly peer: Peer;
}

/** The peers known at present, per role. */
export class PeerRegistry {
  readonly #present: Readonly<Record<ListedRole, Map<string, Peer>>> = { producer: new Map(), consumer: new Map() };
  #ownId = "";

  /** The peers of one role, oldest first. */
  all(role: ListedRole): Peer[] {
    return [...this.#present[role].values()];
  }

  /** The peer with this id in that role. */
  find(role: ListedRole, id: string): Peer | undefined {
    return this.#present[role].get(id);
  }

  /** Tells which id is this page's own: it is never listed. */
  setOwnId(id: string): void {
    this.#ownId = id;
  }

  /** The server reported all roles of one peer. */
  statusChanged(id: string, roles: readonly string[], meta: unknown): PeerChange[] {
    if (id === this.#ownId) return [];
    return (["producer", "consumer"] as const).flatMap((role) =>
      roles.includes(role) ? this.#add(role, id, meta) : this.#remove(role, id),
    );
  }

  /** The server listed all peers of one role. */
  listed(role: ListedRole, peers: readonly ListedPeer[]): PeerChange[] {
    const listedIds = new Set(peers.map(({ id }) => id));
    const gone = this.all(role).filter(({ id }) => !listedIds.has(id));
    return [
      ...gone.flatMap(({ id }) => this.#remove(role, id)),
      ...peers.flatMap(({ id, meta }) => (id === this.#ownId ? [] : this.#add(role, id, meta))),
    ];
  }

  /** The server is gone, and with it all peers. */
  clear(): PeerChange[] {
    return [...this.listed("producer", []), ...this.listed("consumer", [])];
  }

  #add(role: ListedRole, id: string, meta: unknown): PeerChange[] {
    const isNew = !this.#present[role].has(id);
    const peer = Object.freeze({ id, meta: Object.freeze(isRecord(meta) ? { ...meta } : {}) });
    this.#present[role].set(id, peer);
    return isNew ? [{ role, isPresent: true, peer }] : [];
  }

  #remove(role: ListedRole, id: string): PeerChange[] {
    const peer = this.#present[role].get(id);
    this.#present[role].delete(id);
    return peer ? [{ role, isPresent: false, peer }] : [];
  }
}
