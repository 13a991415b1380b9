// SPDX-License-Identifier: MPL-2.0
/** The signalling server and a web server, on free ports. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect, createServer as createSocketServer, type AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { distFolder, pagesFolder, requireBuilt, signallingServer } from "./paths.js";
import { Program, until } from "./program.js";

/** A port that nobody uses at the moment. */
export async function freePort(): Promise<number> {
  const server = createSocketServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A signalling server that can be killed and started again on its port. */
export class SignallingServer {
  readonly url: string;
  readonly port: number;
  #program: Program | null = null;

  constructor(port: number) {
    this.port = port;
    this.url = `ws://127.0.0.1:${port}`;
  }

  /** Starts one on a free port. */
  static async start(): Promise<SignallingServer> {
    requireBuilt();
    const server = new SignallingServer(await freePort());
    await server.restart();
    return server;
  }

  /** Starts it, again if it was killed. */
  async restart(): Promise<void> {
    const program = new Program(signallingServer, ["--host", "127.0.0.1", "--port", String(this.port)]);
    this.#program = program;
    await until("the signalling server to listen", 30_000, () => {
      if (program.hasEnded) throw new Error(`the signalling server ended:\n${program.output}`);
      return isListening(this.port);
    });
  }

  /** Kills it, without giving it time to say anything. */
  async kill(): Promise<void> {
    await this.#program?.stop("SIGKILL");
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

const TYPES: Readonly<Record<string, string | undefined>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

/** A running web server. */
export interface WebServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A web server that serves `dist/`, and the tests' own pages below `/e2e/`, as any static server would. */
export async function startWebServer(): Promise<WebServer> {
  const server: Server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = path.startsWith("/e2e/") ? join(pagesFolder, path.slice(5)) : join(distFolder, path);
    readFile(path.endsWith("/") ? join(file, "index.html") : file).then(
      (content) => {
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? (path.endsWith("/") ? "text/html" : "") });
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${port}`, port, stop };
}
