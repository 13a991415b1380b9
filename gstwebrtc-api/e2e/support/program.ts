// SPDX-License-Identifier: MPL-2.0
/** Programs that a test starts and ends. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A running program and what it has printed. */
export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = "";

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#name = command;
    this.#child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (data: Buffer) => (this.#output += data.toString()));
    }
  }

  /** All it has printed. */
  get output(): string {
    return this.#output;
  }

  /** Whether it has ended. */
  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until it has printed something that matches. */
  async waitFor(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpExecArray> {
    return until(`${this.#name} to print ${String(pattern)}`, timeoutMs, () => {
      const found = pattern.exec(this.#output);
      if (!found && this.hasEnded) throw new Error(`${this.#name} ended:\n${this.#output}`);
      return found;
    });
  }

  /** Ends it and waits until it is gone. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }
}

/** Waits until `check` gives something. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  check: () => T | Promise<T>,
): Promise<NonNullable<Awaited<T>>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
