// SPDX-License-Identifier: MPL-2.0
/** What the tests of a file share: a web server and a browser; and what each has of its own: a signalling server. */

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { openBrowser } from "./browser.js";
import { openHarness } from "./harness.js";
import type { Program } from "./program.js";
import { SignallingServer, startWebServer, type WebServer } from "./servers.js";

/** What is there while a test runs. */
export class Scene {
  #running: { readonly web: WebServer; readonly browser: Browser } | null = null;
  #signalling: SignallingServer | null = null;
  #programs: Program[] = [];

  /** The server of the built files and of the tests' pages. */
  get web(): WebServer {
    return present(this.#running).web;
  }

  /** The browser. */
  get browser(): Browser {
    return present(this.#running).browser;
  }

  /** The signalling server of this test. */
  get signalling(): SignallingServer {
    return present(this.#signalling);
  }

  /** Opens the harness as a client of this test's signalling server. */
  open(name: string, prepare?: (page: Page) => Promise<void>): Promise<Page> {
    return openHarness(this.browser, this.web.url, this.signalling.url, name, prepare);
  }

  /** Opens a harness that offers the fake camera. */
  async openCamera(name = "camera"): Promise<Page> {
    const camera = await this.open(name);
    await camera.evaluate(() => window.capture());
    return camera;
  }

  /** Takes a program down with the test. */
  run(program: Program): Program {
    this.#programs.push(program);
    return program;
  }

  /** Before the tests of a file. */
  async begin(): Promise<void> {
    this.#running = { web: await startWebServer(), browser: await openBrowser() };
  }

  /** Before each test. */
  async beginTest(): Promise<void> {
    this.#signalling = await SignallingServer.start();
  }

  /** After each test. */
  async endTest(): Promise<void> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    await Promise.all(this.#programs.splice(0).map((program) => program.stop()));
    await this.#signalling?.kill();
  }

  /** After the tests of a file. */
  async end(): Promise<void> {
    await this.#running?.browser.close();
    await this.#running?.web.stop();
  }
}

/** Sets the scene for the tests of the file that calls it. */
export function useScene(): Scene {
  const scene = new Scene();
  beforeAll(() => scene.begin());
  beforeEach(() => scene.beginTest());
  afterEach(() => scene.endTest());
  afterAll(() => scene.end());
  return scene;
}

function present<T>(value: T | null): T {
  if (value === null) throw new Error("only there while a test runs");
  return value;
}
