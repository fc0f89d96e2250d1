// moonpool.js against a real gateway.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, Host, sign, until, WebSocket } from "./host.mjs";

let host;
const clients = [];
before(async () => { host = await Host.start(); });
after(async () => {
  for (const client of clients) client.close();
  await host?.stop();
});

function enter(user, options) {
  const client = connect(host.url, { user, WebSocket, retryBase: 50, retryCap: 200, ...options });
  clients.push(client);
  return client;
}

/** All that happens in a room. */
function record(room) {
  const heard = { messages: [], gaps: [], joins: [], leaves: [], typing: [], reconnects: [] };
  room.on("message", (message) => heard.messages.push(message));
  room.on("gap", (gap) => heard.gaps.push(gap));
  room.on("join", ({ user }) => heard.joins.push(user));
  room.on("leave", ({ user }) => heard.leaves.push(user));
  room.on("typing", ({ user }) => heard.typing.push(user));
  room.on("reconnect", (how) => heard.reconnects.push(how));
  return heard;
}

const textsOf = (messages) => messages.map(({ text }) => text);
const isReason = (code, reason) => (error) => error.code === code && reason.test(error.reason);

test("two users talk, and see each other come, type and go", async () => {
  const ann = enter("ann"), bob = enter("bob");
  const galley = await ann.join("galley"), heard = record(galley);
  const other = await bob.join("room:galley"), bobs = record(other);
  assert.equal(other.name, "galley");
  assert.equal(other.count, 2);
  const id = await galley.say("hello");
  await other.say("waves", { type: "action" });
  other.typing();
  await until(() => heard.messages.length === 2 && heard.typing.length > 0, "both messages");
  assert.deepEqual(textsOf(heard.messages), ["hello", "waves"]);
  const [first] = heard.messages;
  assert.deepEqual([first.id, first.user, first.room, first.type], [id, "ann", "galley", "message"]);
  assert.ok(Math.abs(first.at - Date.now()) < 3_600_000);
  assert.equal(heard.messages[1].type, "action");
  await until(() => heard.joins.includes("bob"), "bob has come");
  const { members, count, cursor } = await galley.who();
  assert.deepEqual([members.map(({ user }) => user).sort(), count, cursor], [["ann", "bob"], 2, undefined]);
  await until(() => bobs.messages.length === 2, "bob hears both");
  await other.leave();
  await until(() => heard.leaves.includes("bob"), "bob has gone");
  await galley.say("alone");
  await until(() => heard.messages.length === 3, "the last one");
  assert.equal(bobs.messages.length, 2);
  assert.ok((await ann.rooms("gal*")).some(({ room }) => room === "galley"));
});

test("history goes back page by page, and a join may begin in it", async () => {
  const client = enter("cat");
  const room = await client.join("archive");
  for (let i = 1; i <= 10; i++) await room.say(`line ${i}`);
  const newest = await room.history({ last: 3 });
  assert.deepEqual(textsOf(newest), ["line 8", "line 9", "line 10"]);
  const before = await room.history({ last: 2, before: newest[0].id });
  assert.deepEqual(textsOf(before), ["line 6", "line 7"]);
  assert.deepEqual(textsOf(await room.history({ after: before[1].id, limit: 1 })), ["line 8"]);
  const late = await enter("dan").join("archive", { last: 2 }), heard = record(late);
  const after = await enter("eve").join("archive", { since: newest[1].id }), missed = record(after);
  await until(() => heard.messages.length === 2 && missed.messages.length === 1, "what was asked for");
  assert.deepEqual(textsOf(heard.messages), ["line 9", "line 10"]);
  assert.deepEqual(textsOf(missed.messages), ["line 10"]);
});

test("what happened before there was a handler waits for it", async () => {
  const client = enter("fay");
  const room = await client.join("patience", { last: 10 });
  await room.say("one");
  await room.say("two");
  await until(() => room.position?.split("-")[1] === "2", "both have come");
  const heard = record(room);
  await until(() => heard.messages.length === 2, "they were held");
  assert.deepEqual(textsOf(heard.messages), ["one", "two"]);
});

test("policies reject with their reason, rewrite, and close rooms", async () => {
  const client = enter("gus");
  const room = await client.join("parlour"), heard = record(room);
  await assert.rejects(room.say("BAD"), isReason("EREJECTED", /^no shouting .* gus$/));
  await room.say("rewrite me");
  await until(() => heard.messages.length === 1, "the rewritten one");
  assert.equal(heard.messages[0].text, "rewritten");
  await assert.rejects(client.join("cellar"), isReason("EREJECTED", /cellar is closed/));
  await room.say("!echo one two");
  await until(() => heard.messages.some(({ text }) => text === "echo: one two"), "the bot's answer");
});

test("a key is in effect once", async () => {
  const room = await enter("hal").join("orders"), heard = record(room);
  const id = await room.say("coffee", { key: "order 7" });
  assert.equal(await room.say("coffee", { key: "order 7" }), id);
  await room.say("enough");
  await until(() => heard.messages.at(-1)?.text === "enough", "the end");
  assert.deepEqual(textsOf(heard.messages), ["coffee", "enough"]);
  await assert.rejects(room.say("tea", { key: "order 7" }), isReason("EARG", /./));
});

test("limits, misuse and the end have codes", async () => {
  const client = enter("ida", { maxPending: 3 });
  const room = await client.join("limits");
  await assert.rejects(room.say("x".repeat(70_000)), isReason("ETOOBIG", /over 65536/));
  const asked = [1, 2, 3, 4].map(() => room.history({ last: 1 }));
  await assert.rejects(asked[3], isReason("EQUEUE", /3 requests/));
  await Promise.all(asked.slice(0, 3));
  await assert.rejects(client.join(""), isReason("EARG", /./));
  assert.throws(() => room.on("massage", () => {}), /no event "massage"/);
  assert.throws(() => connect(host.url, { name: "ida" }), /no option "name"/);
  assert.equal(await client.join("limits"), room);
  client.close();
  assert.equal(client.state, "closed");
  await assert.rejects(room.say("late"), isReason("ECLOSED", /./));
  await assert.rejects(client.join("more"), isReason("ECLOSED", /./));
});

/** Says `count` texts, a few at a time, and hands on how many were acknowledged. */
async function sayMany(room, count, onSaid) {
  const ids = [];
  for (let i = 0; i < count; i += 5) {
    const texts = Array.from({ length: Math.min(5, count - i) }, (_, k) => `text ${i + k}`);
    ids.push(...await Promise.all(texts.map((text) => room.say(text))));
    onSaid(ids.length);
  }
  return ids;
}

async function interrupt(name, kill) {
  const speaker = enter(`${name} speaker`), listener = enter(`${name} listener`);
  const room = await speaker.join(name), heard = record(await listener.join(name));
  let killing;
  const ids = await sayMany(room, 100, (said) => { if (said >= 40) killing ??= kill(); });
  await killing;
  await room.say("the end");
  await until(() => heard.messages.at(-1)?.text === "the end", "the end");
  assert.deepEqual(textsOf(heard.messages), [...Array.from({ length: 100 }, (_, i) => `text ${i}`), "the end"]);
  assert.deepEqual(heard.messages.slice(0, 100).map(({ id }) => id), ids);
  assert.deepEqual(heard.gaps, []);
  assert.ok(heard.reconnects.some(({ by }) => by === "client"));
}

test("nothing is lost or doubled when the process that serves is killed", async () => {
  await interrupt("worker", async () => host.killWorker());
});

test("nothing is lost or doubled when the gateway is killed and started again", async () => {
  await interrupt("gateway", async () => {
    await host.kill();
    await host.restart();
  });
});

test("what is not kept any more is a gap", async () => {
  const client = enter("jim");
  const heard = record(await client.join("short"));
  await host.kill();
  host.say("short", "kim", Array.from({ length: 15 }, (_, i) => `missed ${i}`));
  host.redis("XTRIM", "{room:short}:log", "MAXLEN", "3");
  await host.restart();
  await until(() => heard.messages.length === 3, "what is left");
  assert.deepEqual(textsOf(heard.messages), ["missed 12", "missed 13", "missed 14"]);
  assert.equal(heard.gaps.length, 1);
  assert.deepEqual([heard.gaps[0].missing, heard.gaps[0].reason], [12, "trimmed"]);
});

test("a token that expires is asked for again; a wrong one is the end", async () => {
  const secret = "0123456789abcdef0123456789abcdef", closed = await Host.start({ secret });
  const make = (seconds) => sign(secret, { sub: "lea", rooms: ["vip-*"], exp: Math.floor(Date.now() / 1000) + seconds });
  let asked = 0;
  const client = connect(closed.url, { WebSocket, retryBase: 50, token: async () => make(++asked === 1 ? 2 : 60) });
  const stranger = connect(closed.url, { WebSocket, token: `${make(60)}x` });
  try {
    const refused = await new Promise((resolve) => { stranger.on("error", resolve); });
    assert.deepEqual([refused.code, stranger.state], ["EAUTH", "closed"]);
    const room = await client.join("vip-lounge"), heard = record(room);
    assert.equal(client.user, "lea");
    await assert.rejects(client.join("cellar"), isReason("EPERM", /./));
    await until(() => heard.reconnects.length === 1, "it is back with a fresh token");
    assert.equal(asked, 2);
    await room.say("still here");
    await until(() => heard.messages.length === 1, "its message");
  } finally {
    client.close();
    stranger.close();
    await closed.stop();
  }
});
