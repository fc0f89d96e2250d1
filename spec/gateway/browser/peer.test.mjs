// moonpool.js against a server that does what a gateway would never do, or cannot be made to do.
import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { connect, until, WebSocket } from "./host.mjs";

let server, clients, sockets;
beforeEach(async () => {
  clients = [];
  sockets = [];
  server = new WebSocket.Server({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const socket of sockets) socket.terminate();
  await new Promise((resolve) => { server.close(resolve); });
});

/** `answer(frame, socket, n)` is what the nth connection gets for a frame; undefined: nothing. */
function serve(answer) {
  server.on("connection", (socket) => {
    const n = sockets.push(socket);
    socket.frames = [];
    socket.on("message", (data) => {
      const frame = JSON.parse(data);
      socket.frames.push(frame);
      const given = answer(frame, socket, n);
      if (given) socket.send(JSON.stringify({ ref: frame.ref, ...given }));
    });
  });
}

function enter(options) {
  const url = `ws://127.0.0.1:${server.address().port}/`;
  const client = connect(url, { user: "ann", WebSocket, retryBase: 20, retryCap: 60, ...options });
  client.errors = [];
  client.closes = [];
  client.on("error", (error) => client.errors.push(error));
  client.on("close", (error) => client.closes.push(error));
  clients.push(client);
  return client;
}

const usual = (frame) => (frame.op === "hello" ? { op: "ok", user: "ann" }
  : frame.op === "join" ? { op: "ok", room: frame.room, position: "5-1-00000000000000aa" } : { op: "ok" });
const idOf = (n) => `${n}-1-00000000000000aa`;
const push = (socket, frame) => socket.send(JSON.stringify({ room: "galley", ...frame }));
const ops = (socket) => socket.frames.map(({ op }) => op);

test("what comes twice is delivered once, and what is no message is an error", async () => {
  serve(usual);
  const client = enter(), room = await client.join("galley"), heard = [];
  room.on("message", ({ id }) => heard.push(id));
  const [socket] = sockets;
  socket.send("no JSON");
  socket.send("[1]");
  socket.send("null");
  push(socket, { op: "message", id: idOf(7), message: { text: "a", id: "forged", room: "forged", at: 1 } });
  push(socket, { op: "message", id: idOf(7), message: { text: "a" } });
  push(socket, { op: "something new" });
  push(socket, { op: "message", room: "elsewhere", id: idOf(8), message: {} });
  push(socket, { op: "ok", ref: 999 });
  push(socket, { op: "message", id: idOf(9), message: { text: "b" } });
  await until(() => heard.length === 2, "both");
  assert.deepEqual(heard, [idOf(7), idOf(9)]);
  assert.deepEqual(client.errors.map(({ code }) => code), ["EPROTO", "EPROTO", "EPROTO"]);
});

test("it goes on from the last message, and says again, with its key, what was not answered", async () => {
  serve((frame, socket, n) => {
    if (frame.op !== "say" || n > 1) return usual(frame);
    push(socket, { op: "message", id: idOf(7), message: { text: "seen" } });
    socket.close(1012, "restart");
    return undefined;
  });
  const client = enter(), room = await client.join("galley"), heard = [];
  room.on("message", ({ text }) => heard.push(text));
  const said = [room.say("one"), room.say("two", { key: "mine" })];
  await Promise.all(said);
  const [first, second] = sockets.map(({ frames }) => frames);
  assert.deepEqual(ops(sockets[1]), ["hello", "join", "say", "say"]);
  assert.equal(second[1].since, idOf(7));
  assert.equal(second[2].key, first[2].key);
  assert.match(second[2].key, /^[0-9a-f]{32}$/);
  assert.deepEqual([second[2].text, second[3].text, second[3].key], ["one", "two", "mine"]);
  assert.deepEqual([client.closes[0].code, client.closes[0].closeCode, client.closes[0].reason], ["ECONN", 1012, "restart"]);
});

for (const [name, code] of [["1001", 1001], ["1008", 1008], ["1011", 1011], ["1012", 1012], ["1013", 1013]]) {
  test(`it comes back after close code ${name}`, async () => {
    serve(usual);
    const client = enter();
    await client.join("galley");
    sockets[0].close(code, "go");
    await until(() => sockets[1] && ops(sockets[1]).includes("join"), "it has joined again");
    assert.equal(client.closes.length, 1);
  });
}

test("revoked is the end", async () => {
  serve(usual);
  const client = enter({ token: () => "t" }), room = await client.join("galley");
  sockets[0].close(4403, "banned");
  await until(() => client.state === "closed", "the end");
  assert.deepEqual([client.errors[0].code, client.errors[0].reason], ["EPERM", "banned"]);
  await assert.rejects(room.say("x"), { code: "ECLOSED" });
  assert.equal(sockets.length, 1);
});

test("a token that is refused is asked for again, but not for ever", async () => {
  let asked = 0;
  serve((frame) => (frame.op === "hello" ? { op: "error", code: "EAUTH", reason: "expired" } : usual(frame)));
  const client = enter({ token: () => `token ${++asked}` });
  const joined = client.join("galley");
  await assert.rejects(joined, { code: "EAUTH" });
  assert.equal(client.state, "closed");
  assert.equal(asked, 3);
  assert.deepEqual(sockets.map(({ frames }) => frames[0].token), ["token 1", "token 2", "token 3"]);
  const other = enter({ token: "fixed" });
  await until(() => other.state === "closed", "a fixed one is refused once");
  assert.equal(sockets.length, 4);
});

test("a name that cannot be is refused once, what may pass is tried again", async () => {
  const answers = ["ETIMEOUT", "EREDIS", "EARG"];
  serve((frame, _, n) => (frame.op === "hello" ? { op: "error", code: answers[n - 1], reason: "no" } : usual(frame)));
  const client = enter();
  await until(() => client.state === "closed", "the end");
  assert.deepEqual(client.errors.map(({ code }) => code), answers);
});

test("a token that cannot be had is tried again", async () => {
  let asked = 0;
  serve(usual);
  const client = enter({ token: async () => { if (++asked < 3) throw new Error("no network"); return "t"; } });
  await client.join("galley");
  assert.deepEqual(client.errors.map(({ code }) => code), ["EAUTH", "EAUTH"]);
});

test("a dead link is noticed, and so is a hello that is not answered", async () => {
  serve((frame, _, n) => (n === 1 && frame.op === "ping" ? undefined : n === 2 ? undefined : usual(frame)));
  const client = enter({ ping: 60, pingTimeout: 60, timeout: 400 });
  await client.join("galley");
  await until(() => sockets[2] && ops(sockets[2]).includes("join"), "the third connection");
  assert.deepEqual(ops(sockets[0]), ["hello", "join", "ping"]);
  assert.deepEqual(client.closes.map(({ code }) => code), ["ETIMEOUT"]);
  assert.deepEqual(client.errors.map(({ code }) => code), ["ETIMEOUT"]);
  await until(() => ops(sockets[2]).filter((op) => op === "ping").length > 2, "a link that lives stays");
  assert.equal(sockets.length, 3);
});

test("requests have a deadline, which tells whether they were sent", async () => {
  serve((frame) => (frame.op === "hello" || frame.op === "join" ? usual(frame) : undefined));
  const client = enter({ timeout: 150 }), room = await client.join("galley");
  await assert.rejects(room.history({ last: 1 }), { code: "ETIMEOUT", reason: /^sent, but no answer/ });
  await assert.rejects(room.say("x", { key: "k", timeout: 50 }), { code: "ETIMEOUT", key: "k" });
  await new Promise((resolve) => { server.close(resolve); sockets[0].terminate(); });
  await until(() => client.state !== "open", "it is gone");
  await assert.rejects(room.say("y", { timeout: 50 }), { code: "ETIMEOUT", reason: /^not sent/ });
});

test("a request that closes the connection for its size does not do so again", async () => {
  serve((frame, socket) => {
    if (frame.op !== "say" || frame.text.length < 100) return usual(frame);
    socket.close(1009, "too big");
    return undefined;
  });
  const room = await enter({ maxMessage: 1_000_000 }).join("galley");
  const small = room.say("small"), large = room.say("x".repeat(200));
  await assert.rejects(large, { code: "ETOOBIG" });
  await small;
  await room.say("more");
});

test("a room that cannot be joined again is left, unless it may be later", async () => {
  let tries = 0;
  serve((frame, _, n) => {
    if (frame.op !== "join" || n === 1) return usual(frame);
    if (frame.room === "vip") return { op: "error", code: "EPERM", reason: "not any more" };
    return ++tries === 1 ? { op: "error", code: "EREDIS", reason: "LOADING" } : usual(frame);
  });
  const client = enter(), vip = await client.join("vip"), galley = await client.join("galley");
  const errors = [];
  let isBack = false;
  vip.on("message", () => {});
  vip.on("error", (error) => errors.push(error));
  galley.on("message", () => {});
  galley.on("reconnect", () => { isBack = true; });
  sockets[0].close(1001);
  await until(() => isBack && errors.length === 1, "both were asked for");
  assert.deepEqual([errors[0].code, vip.isLeft, galley.isJoined, tries], ["EPERM", true, true, 2]);
});

test("requests keep to a pace that the gateway allows", async () => {
  serve(usual);
  const client = enter({ rate: 50 }), room = await client.join("galley");
  const began = Date.now();
  await Promise.all(Array.from({ length: 120 }, (_, i) => room.say(`text ${i}`)));
  assert.ok(Date.now() - began >= 350, "120 requests: 98 at once, the others 50 a second");
  const said = sockets[0].frames.filter(({ op }) => op === "say").map(({ text }) => text);
  assert.deepEqual(said, Array.from({ length: 120 }, (_, i) => `text ${i}`));
});

test("a handler that throws stops nobody else", async (t) => {
  serve(usual);
  const client = enter(), room = await client.join("galley"), heard = [];
  const reported = [];
  globalThis.reportError = (error) => reported.push(error);
  t.after(() => { delete globalThis.reportError; });
  room.on("message", () => { throw new Error("mine"); });
  const off = room.on("message", ({ text }) => heard.push(text));
  push(sockets[0], { op: "message", id: idOf(7), message: { text: "a" } });
  await until(() => heard.length === 1, "the other handler");
  assert.equal(reported[0].message, "mine");
  off();
  push(sockets[0], { op: "message", id: idOf(8), message: { text: "b" } });
  await until(() => reported.length === 2, "the second message");
  assert.deepEqual(heard, ["a"]);
});

test("what does not fit while nobody listens is a gap", async () => {
  serve(usual);
  const client = enter({ maxHeld: 2 }), room = await client.join("galley");
  for (const n of [7, 8, 9, 10]) push(sockets[0], { op: "message", id: idOf(n), message: { text: `${n}` } });
  await until(() => room.position === idOf(10), "all have come");
  const heard = [];
  room.on("gap", ({ missing, reason }) => heard.push([missing, reason]));
  room.on("message", ({ text }) => heard.push(text));
  await until(() => heard.length === 3, "what was held");
  assert.deepEqual(heard, ["7", "8", [2, "overflow"]]);
});
