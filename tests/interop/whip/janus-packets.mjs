// SPDX-License-Identifier: MPL-2.0
// Prints how many packets Janus has received, one number for each medium of each connection.
// node janus-packets.mjs ADMIN_PORT
import websocket from "websocket";

const socket = new websocket.client();
socket.on("connectFailed", (error) => {
  console.error(error.message);
  process.exit(1);
});
socket.on("connect", async (connection) => {
  const waiting = new Map();
  connection.on("message", ({ utf8Data }) => {
    const answer = JSON.parse(utf8Data);
    waiting.get(answer.transaction)?.(answer);
  });
  const ask = (request) =>
    new Promise((resolve) => {
      const transaction = String(waiting.size);
      waiting.set(transaction, resolve);
      connection.sendUTF(JSON.stringify({ ...request, transaction, admin_secret: "secret" }));
    });
  for (const session_id of (await ask({ janus: "list_sessions" })).sessions ?? []) {
    for (const handle_id of (await ask({ janus: "list_handles", session_id })).handles ?? []) {
      const { info } = await ask({ janus: "handle_info", session_id, handle_id });
      for (const medium of Object.values(info?.webrtc?.media ?? {})) {
        const received = medium.stats?.in?.packets;
        if (received !== undefined) console.log(received);
      }
    }
  }
  process.exit(0);
});
socket.connect(`ws://127.0.0.1:${process.argv[2]}`, "janus-admin-protocol");
