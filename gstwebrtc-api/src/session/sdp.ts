// SPDX-License-Identifier: MPL-2.0
/**
 * The little that has to be read and changed in session descriptions. Pure.
 *
 * @module
 */

/**
 * Whether `next` comes from another peer connection than `previous`, so that it cannot be applied on top of it:
 * another certificate, or another session in the origin line, which renegotiation keeps (RFC 8829, 5.2.2).
 */
export function isFromAnotherConnection(previous: string, next: string): boolean {
  const fingerprints = (sdp: string): string => [...new Set(sdp.match(/^a=fingerprint:.*$/gm))].sort().join();
  const origin = (sdp: string): string | undefined => /^o=\S+ (\S+)/m.exec(sdp)?.[1];
  return fingerprints(previous) !== fingerprints(next) || origin(previous) !== origin(next);
}

/**
 * Adds `stereo=1` to the audio formats of an answer whose offer announces stereo sending.
 *
 * Chrome leaves `stereo` out of its answers and then mixes down to one channel, although RFC 7587 says that the
 * offer's `sprop-stereo` may be answered that way.
 */
export function mungeStereo(offer: string, answer: string): string {
  const stereoFormats = new Set(
    [...offer.matchAll(/^a=fmtp:(\d+) .*\bsprop-stereo=1\b/gm)].map(([, format]) => format),
  );
  return answer.replace(/^a=fmtp:(\d+) [^\r\n]*/gm, (line, format: string) =>
    stereoFormats.has(format) && !/(?:[ ;])stereo=/.test(line) ? `${line};stereo=1` : line,
  );
}
