// SPDX-License-Identifier: MPL-2.0
/**
 * Figures about a session, drawn from the browser's statistics (W3C webrtc-stats). Pure but for the counters of
 * the previous sample, which the rates need.
 *
 * @module
 */

/** Figures of one medium of a session. Null where the browser does not tell (yet). */
export interface MediaStatistics {
  /** Payload bits per second since the previous sample. */
  readonly bitrate: number | null;
  /** Share of packets lost since the previous sample, 0 to 1. */
  readonly lossRatio: number | null;
  /** Codec, as in `VP8`. */
  readonly codec: string | null;
  /** Mean time that media waited in the jitter buffer since the previous sample, in milliseconds; receiving only. */
  readonly bufferMs: number | null;
}

/** Figures of video. */
export interface VideoStatistics extends MediaStatistics {
  /** Frames decoded or encoded per second. */
  readonly framesPerSecond: number | null;
  /** Picture size in pixels. */
  readonly width: number | null;
  readonly height: number | null;
}

/** Figures of audio. */
export interface AudioStatistics extends MediaStatistics {
  /** Loudness, 0 to 1. */
  readonly level: number | null;
}

/** Figures of a session at one moment. */
export interface SessionStatistics {
  /** Round trip of the network path in use, in milliseconds. */
  readonly roundTripMs: number | null;
  /** Null if the session has no video. */
  readonly video: VideoStatistics | null;
  /** Null if the session has no audio. */
  readonly audio: AudioStatistics | null;
}

type Entry = Readonly<Record<string, unknown>>;
type Kind = "video" | "audio";

interface Counters {
  readonly atMs: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly bufferSeconds: number;
  readonly bufferedFrames: number;
}

/** Turns the reports of one session into figures. */
export class StatisticsSampler {
  readonly #previous = new Map<Kind, Counters>();

  /** Reads one report of `RTCPeerConnection.getStats()`. */
  sample(report: Iterable<readonly [string, unknown]>): SessionStatistics {
    const entries = new Map([...report] as [string, Entry][]);
    const video = mainStream(entries, "video");
    const audio = mainStream(entries, "audio");
    return {
      roundTripMs: roundTrip(entries),
      video: video && {
        ...this.#media("video", video, entries),
        framesPerSecond: number(video["framesPerSecond"]),
        width: number(video["frameWidth"]),
        height: number(video["frameHeight"]),
      },
      audio: audio && { ...this.#media("audio", audio, entries), level: number(audio["audioLevel"]) },
    };
  }

  #media(kind: Kind, stream: Entry, entries: ReadonlyMap<string, Entry>): MediaStatistics {
    const now = countersOf(stream, entries);
    const before = this.#previous.get(kind);
    this.#previous.set(kind, now);
    const codec = text(entries.get(text(stream["codecId"]) ?? "")?.["mimeType"]);
    return { codec: codec?.split("/")[1] ?? null, ...rates(before, now) };
  }
}

/** The stream of a kind that carries most, in whichever direction. */
function mainStream(entries: ReadonlyMap<string, Entry>, kind: Kind): Entry | null {
  const isMedia = ({ type }: Entry): boolean => type === "inbound-rtp" || type === "outbound-rtp";
  const streams = [...entries.values()].filter((entry) => isMedia(entry) && entry["kind"] === kind);
  return streams.sort((a, b) => bytesOf(b) - bytesOf(a))[0] ?? null;
}

function bytesOf(stream: Entry): number {
  return number(stream["bytesReceived"]) ?? number(stream["bytesSent"]) ?? 0;
}

function countersOf(stream: Entry, entries: ReadonlyMap<string, Entry>): Counters {
  // What was lost on the way out only the other side knows: its report is the stream's "remote" entry.
  const remote = entries.get(text(stream["remoteId"]) ?? "");
  return {
    atMs: number(stream["timestamp"]) ?? 0,
    bytes: bytesOf(stream),
    packets: number(stream["packetsReceived"]) ?? number(stream["packetsSent"]) ?? 0,
    lost: number(stream["packetsLost"]) ?? number(remote?.["packetsLost"]) ?? 0,
    bufferSeconds: number(stream["jitterBufferDelay"]) ?? 0,
    bufferedFrames: number(stream["jitterBufferEmittedCount"]) ?? 0,
  };
}

function rates(before: Counters | undefined, now: Counters): Omit<MediaStatistics, "codec"> {
  const passedMs = before ? now.atMs - before.atMs : 0;
  // A replaced connection counts from zero again: that sample has no rates.
  if (!before || passedMs <= 0 || now.bytes < before.bytes) return { bitrate: null, lossRatio: null, bufferMs: null };
  const lost = Math.max(0, now.lost - before.lost);
  const sent = Math.max(0, now.packets - before.packets) + lost;
  const frames = now.bufferedFrames - before.bufferedFrames;
  return {
    bitrate: ((now.bytes - before.bytes) * 8000) / passedMs,
    lossRatio: sent > 0 ? lost / sent : null,
    bufferMs: frames > 0 ? ((now.bufferSeconds - before.bufferSeconds) * 1000) / frames : null,
  };
}

function roundTrip(entries: ReadonlyMap<string, Entry>): number | null {
  const all = [...entries.values()];
  const selected = all.map((entry) => text(entry["selectedCandidatePairId"])).find((id) => id !== null);
  // Firefox has no transport entry and marks the pair itself.
  const pair = selected ? entries.get(selected) : all.find((entry) => entry["nominated"] === true);
  const seconds = number(pair?.["currentRoundTripTime"]);
  return seconds === null ? null : seconds * 1000;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
