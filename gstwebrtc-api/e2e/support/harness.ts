// SPDX-License-Identifier: MPL-2.0
/** The page `harness.html`: what it puts into its window, and how to open it. */

import type { Browser, Page } from "playwright-core";
import type {
  ConsumerSession,
  GstWebRTCAPI,
  ProducerSession,
  ProducerSessionOptions,
  SessionState,
} from "../../src/index.js";
import { openPage } from "./browser.js";
import { version } from "./paths.js";

declare global {
  /** What harness.html defines. */
  interface Window {
    api: GstWebRTCAPI;
    session: ConsumerSession;
    producer: ProducerSession;
    controlMessages: { id: number; mid?: string; request: { type: string; event: Record<string, unknown> } }[];
    SessionState: typeof SessionState;
    connected: () => Promise<string>;
    producerNamed: (name: string) => Promise<string>;
    watch: (name: string, offerOptions?: RTCOfferOptions) => Promise<void>;
    capture: (options?: ProducerSessionOptions, wanted?: MediaStreamConstraints) => Promise<void>;
  }
}

/** Opens the harness as a client of a signalling server. */
export async function openHarness(
  browser: Browser,
  web: string,
  signalling: string,
  name: string,
  prepare?: (page: Page) => Promise<void>,
): Promise<Page> {
  const query = new URLSearchParams({ signalling, name, version });
  const { page } = await openPage(browser, `${web}/e2e/harness.html?${query.toString()}`, prepare);
  await page.waitForSelector("body[data-ready]");
  return page;
}
