// SPDX-License-Identifier: MPL-2.0
/**
 * Where the page looks for its signalling server. Pure.
 *
 * @module
 */

/** Port of a signalling server that nobody gave another one. */
const DEFAULT_PORT = 8443;

/**
 * Websocket URLs to try, in this order: the address given as `?signalling=`; else `/webrtc` of the page's own origin,
 * which a web server or `npm start` passes on, then the usual port of the page's host.
 */
export function signallingServers(page: URL): string[] {
  const given = page.searchParams.get("signalling");
  if (given) return [given];
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  const host = page.hostname || "127.0.0.1";
  const own = page.host ? [`${scheme}//${page.host}/webrtc`] : [];
  return [...own, `${scheme}//${host}:${DEFAULT_PORT}`];
}
