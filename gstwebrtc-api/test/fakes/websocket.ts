// SPDX-License-Identifier: MPL-2.0
/** A `WebSocket` whose server is the test. */

export class FakeWebSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  static readonly all: FakeWebSocket[] = [];

  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readyState = FakeWebSocket.CONNECTING;
  closeCode: number | undefined;
  readonly sent: Record<string, unknown>[] = [];

  constructor(readonly url: string) {
    if (!/^wss?:/.test(url)) throw new SyntaxError(`invalid URL ${url}`);
    FakeWebSocket.all.push(this);
  }

  /** The newest socket. */
  static get last(): FakeWebSocket {
    const socket = FakeWebSocket.all.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(code?: number): void {
    this.readyState = FakeWebSocket.CLOSED;
    this.closeCode = code;
  }

  /** The server takes the connection. */
  accept(): this {
    this.readyState = FakeWebSocket.OPEN;
    return this;
  }

  /** The server says something. */
  say(message: unknown): this {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
    return this;
  }

  /** The server takes the connection and registers the page. */
  register(peerId = "me", roles = ["listener"]): this {
    this.accept().say({ type: "welcome", peerId });
    return this.say({ type: "peerStatusChanged", peerId, roles, meta: null });
  }

  /** The connection breaks. */
  drop(code = 1006): void {
    this.readyState = FakeWebSocket.CLOSED;
    this.onclose?.({ code });
  }

  /** Messages of one type that the page sent. */
  sentOf(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message["type"] === type);
  }
}
