// npm ws as client, which offers permessage-deflate. usage: ws.mjs OPEN_URL TOKEN_URL TOKEN
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Inbox, run, within } from "./checks.mjs";

const require = createRequire(`${process.env.INTEROP_NODE}/`);
const WebSocket = require("ws");

async function ws(url, protocols) {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: true });
  const messages = new Inbox();
  const pongs = new Inbox();
  socket.on("message", (data) => messages.put(data.toString()));
  socket.on("pong", (data) => pongs.put(data.toString()));
  const closed = new Promise((resolve) => socket.on("close", (code) => resolve({ code })));
  await within(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)),
    "handshake");
  assert.equal(socket.extensions, "");
  return {
    messages, pongs, closed: within(closed, "close"), protocol: socket.protocol,
    send: (data) => socket.send(data),
    fragment: (data, fin) => socket.send(data, { fin }),
    ping: (data) => socket.ping(data),
    close: (code, reason) => socket.close(code, reason),
  };
}

run("ws", ws, {
  async "a message in fragments, a ping between them"(connect, urls, { hello, end }) {
    const socket = await hello(connect, urls, "ann");
    socket.fragment('{"op":"ping",', false);
    socket.ping("between");
    socket.fragment('"ref":', false);
    socket.fragment("7}", true);
    assert.equal(await socket.pongs.take("pong"), "between");
    assert.equal(JSON.parse(await socket.messages.take("answer")).ref, 7);
    await end(socket);
  },
});
