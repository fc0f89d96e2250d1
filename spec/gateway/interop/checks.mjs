// What every client does with the gateway; each of them gives `connect(url, protocols)`, see the
// adapters beside this file. Prints one line a check.
import assert from "node:assert/strict";

export const SECONDS = 20;

// Rejects when `promise` takes too long, and says what was waited for.
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${SECONDS} s`)), SECONDS * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// What comes, in order, for those who ask for it later or earlier.
export class Inbox {
  #items = [];
  #readers = [];

  put(item) {
    const reader = this.#readers.shift();
    if (reader) reader(item);
    else this.#items.push(item);
  }

  take(what) {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return within(new Promise((resolve) => this.#readers.push(resolve)), what);
  }
}

// So many characters, none of them cut in two.
const text = (length) =>
  Array.from("Hello, Wörld! 🌙 ".repeat(Math.ceil(length / 16))).slice(0, length).join("");

async function ask(socket, request) {
  socket.send(JSON.stringify(request));
  const answer = JSON.parse(await socket.messages.take("answer"));
  assert.equal(answer.ref, request.ref);
  return answer;
}

async function hello(connect, urls, user, protocols = []) {
  const socket = await connect(urls.open, protocols);
  assert.equal((await ask(socket, { op: "hello", user, ref: 1 })).op, "ok");
  return socket;
}

async function end(socket, code = 1000) {
  socket.close(code, "bye");
  assert.deepEqual(await socket.closed, { code });
}

const checks = {
  async "no subprotocol"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    assert.equal(socket.protocol, "");
    await end(socket);
  },
  async "the subprotocol moonpool.v1"(connect, urls) {
    const socket = await hello(connect, urls, "ann", ["other", "moonpool.v1"]);
    assert.equal(socket.protocol, "moonpool.v1");
    await end(socket);
  },
  async "a token as second subprotocol"(connect, urls) {
    const socket = await connect(urls.closed, ["moonpool.v1", `token.${urls.token}`]);
    assert.equal(socket.protocol, "moonpool.v1");
    const welcome = JSON.parse(await socket.messages.take("welcome"));
    assert.deepEqual(welcome, { op: "ok", user: "ann" });
    assert.equal((await ask(socket, { op: "ping", ref: "x" })).op, "ok");
    await end(socket);
  },
  async "a wrong token is closed by 4401"(connect, urls) {
    const socket = await connect(urls.closed, ["moonpool.v1", `token.${urls.token}x`]);
    assert.equal((await socket.closed).code, 4401);
  },
  async "texts of 0 to 30,000 characters"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    for (const length of [0, 1, 100, 126, 4000, 30000]) {
      const ref = text(length);
      assert.equal((await ask(socket, { op: "ping", ref })).op, "ok");
    }
    await end(socket, 3001);
  },
  async "500 requests at once, answered in order"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    for (let ref = 0; ref < 500; ref++) socket.send(JSON.stringify({ op: "ping", ref }));
    for (let ref = 0; ref < 500; ref++)
      assert.equal(JSON.parse(await socket.messages.take("answer")).ref, ref);
    await end(socket);
  },
  async "a ping is answered with its payload"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    socket.ping("payload");
    assert.equal(await socket.pongs.take("pong"), "payload");
    await end(socket);
  },
  async "two clients talk"(connect, urls) {
    const room = `interop-${process.pid}-${connect.name}`;
    const [ann, bob] = [await hello(connect, urls, "ann"), await hello(connect, urls, "bob")];
    assert.equal((await ask(ann, { op: "join", room, ref: 2 })).op, "ok");
    assert.equal((await ask(bob, { op: "say", room, text: text(500), ref: 3 })).op, "ok");
    let heard = {};
    while (heard.op !== "message") heard = JSON.parse(await ann.messages.take("message"));
    assert.equal(heard.message.user, "bob");
    assert.equal(heard.message.text, text(500));
    await Promise.all([end(ann), end(bob)]);
  },
  async "a binary message is closed by 1003"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    socket.send(Buffer.from([1, 2, 3]));
    assert.equal((await socket.closed).code, 1003);
  },
  async "three messages that are no JSON are closed by 1008"(connect, urls) {
    const socket = await hello(connect, urls, "ann");
    for (let i = 0; i < 3; i++) socket.send("nonsense");
    assert.equal((await socket.closed).code, 1008);
  },
};

export async function run(name, connect, more = {}) {
  const [open, closed, token] = process.argv.slice(2);
  let failed = 0;
  for (const [what, check] of Object.entries({ ...checks, ...more })) {
    try {
      await within(check(connect, { open, closed, token }, { hello, ask, end }), "end");
      console.log(`ok   ${name}: ${what}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}: ${what}: ${error.message}`);
    }
  }
  process.exit(failed ? 1 : 0);
}
