// SPDX-License-Identifier: MPL-2.0
// How the system's Chromium is started for tests.

/** The browser. */
export const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Flags for a headless browser without network chatter, whose candidates carry addresses and whose camera is a fake. */
export const CHROMIUM_FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  // Pages in the background are tested as well as the one in front.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];
