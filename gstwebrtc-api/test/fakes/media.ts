// SPDX-License-Identifier: MPL-2.0
/** Tracks and streams without media. */

export class FakeTrack extends EventTarget {
  isStopped = false;

  constructor(readonly kind: "video" | "audio") {
    super();
  }

  stop(): void {
    this.isStopped = true;
  }
}

export class FakeMediaStream extends EventTarget {
  readonly #tracks: FakeTrack[];

  constructor(tracks: readonly FakeTrack[] = []) {
    super();
    this.#tracks = [...tracks];
  }

  getTracks(): FakeTrack[] {
    return [...this.#tracks];
  }

  addTrack(track: FakeTrack): void {
    this.#tracks.push(track);
  }

  removeTrack(track: FakeTrack): void {
    this.#tracks.splice(this.#tracks.indexOf(track), 1);
  }
}

/** A stream of one video track, with the type that the library takes. */
export function cameraStream(): MediaStream {
  return new FakeMediaStream([new FakeTrack("video")]) as unknown as MediaStream;
}
