/**
 * moonpool.js: the rooms of a moonpool gateway, in browsers and in Node (20 or later). One module,
 * nothing else needed. It connects again when the connection is lost, and goes on where it was:
 * every message of a joined room is delivered once, in order, or a gap tells what is missing; what
 * was said is in effect once, however often it had to be sent. docs/gateway.md has the protocol.
 *
 *   import { connect } from "./moonpool.js";
 *   const client = connect("wss://chat.example.org/socket", { user: "ann" });
 *   const room = await client.join("chatty", { last: 50 });
 *   room.on("message", (message) => console.log(message.user, message.text));
 *   await room.say("Hello there!");
 *
 * Times are milliseconds. Failures are MoonpoolErrors, with a code and a reason.
 * @module moonpool
 */

/**
 * @typedef {object} Options
 * @property {string} [user] the name that is asked for
 * @property {string | (() => string | Promise<string>)} [token] who it is; a function is asked
 *   before every connection, so that it can give a fresh one when the old one has expired
 * @property {typeof WebSocket} [WebSocket] what makes the connections; default: the global one
 * @property {number} [timeout] of a request, and of a connection until it is accepted; 10000
 * @property {number} [sayTimeout] of a say, which waits for a connection; 60000. Stay below the
 *   gateway's memory of keys (300000)
 * @property {number} [ping] silence after which the gateway is asked whether it is there; 20000
 * @property {number} [pingTimeout] in which it must answer; 5000
 * @property {number} [retryBase] the nth attempt waits up to retryBase * 2^n, at random; 500
 * @property {number} [retryCap] but never longer than this; 30000
 * @property {number} [stable] after which a connection counts as a good one: n is 0 again; 5000
 * @property {number} [rate] requests a second, over a burst of twice as many; 40. The gateway
 *   closes who is above its messages_per_second (50)
 * @property {number} [maxMessage] bytes of a request [ETOOBIG]; 65536, as the gateway's
 * @property {number} [maxPending] requests waiting for an answer [EQUEUE]; 1000
 * @property {number} [maxHeld] events held for a room without a handler, then a gap; 10000
 *
 * @typedef {object} Message
 * @property {string} [id] absent: not stored, and never delivered again
 * @property {number} [at] when it was stored, by Redis's clock
 * @property {string} room
 * @property {string} [user]
 * @property {string} text
 * @property {string} type "message", "action", "delete" and "clear" (which name what is gone in
 *   `target`), or one of one's own
 *
 * @typedef {object} Gap right here, between two ids, messages are missing
 * @property {string} room
 * @property {string} [from]
 * @property {string} [to]
 * @property {number} [missing] absent: nobody knows how many
 * @property {string} reason "trimmed", "forked", "overflow", "unavailable"
 */

const DEFAULTS = {
  user: undefined, token: undefined, WebSocket: undefined,
  timeout: 10_000, sayTimeout: 60_000, ping: 20_000, pingTimeout: 5_000,
  retryBase: 500, retryCap: 30_000, stable: 5_000,
  rate: 40, maxMessage: 65_536, maxPending: 1_000, maxHeld: 10_000,
};
const REMEMBERED = 2_000; // ids by room, of what was delivered
const TRIES_OF_A_TOKEN = 3;
const TYPING_PAUSE = 1_000;
const CLOSE = { NORMAL: 1000, TOO_BIG: 1009, SLOW: 1013, AUTH: 4401, REVOKED: 4403 };
const PERMANENT = new Set(["EARG", "EPERM", "EREJECTED"]); // of a hello: the same one is refused again
const TEMPORARY = new Set(["ECONN", "ETIMEOUT", "EREDIS", "EQUEUE"]);

/** What went wrong: `code` is a word for programs, `reason` one line for people. */
export class MoonpoolError extends Error {
  /**
   * @param {string} code such as "EREJECTED" (docs/errors.md)
   * @param {string} reason
   * @param {object} [more] further properties: `room`, `key` of a say, `closeCode`
   */
  constructor(code, reason, more) {
    super(`${code}: ${reason}`);
    Object.assign(this, { name: "MoonpoolError", code, reason }, more);
  }
}

// ---- events ---------------------------------------------------------------------------------

/** As of EventTarget's: a handler that throws stops neither the others nor who has called. */
function report(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else setTimeout(() => { throw error; });
}

class Emitter {
  #handlers = new Map();
  #names;

  constructor(names) {
    this.#names = names;
    for (const name of names) this.#handlers.set(name, new Set());
  }

  add(name, fn) {
    if (!this.#handlers.has(name)) {
      throw new TypeError(`on: no event "${name}"; there are ${this.#names.join(", ")}`);
    }
    if (typeof fn !== "function") throw new TypeError(`on: no function for "${name}"`);
    const set = this.#handlers.get(name);
    set.add(fn);
    return () => set.delete(fn);
  }

  emit(name, value) {
    for (const fn of [...this.#handlers.get(name)]) {
      try {
        fn(value);
      } catch (error) {
        report(error);
      }
    }
  }
}

// ---- the link: one connection after the other, and the requests that outlive them --------------

/** So many at once, and so many a second. */
class Pace {
  constructor(rate) {
    this.rate = rate;
    this.left = 2 * rate;
    this.at = Date.now();
  }

  /** 0: go ahead; else ms to wait. */
  take() {
    const now = Date.now();
    this.left = Math.min(2 * this.rate, this.left + (Math.max(0, now - this.at) * this.rate) / 1000);
    this.at = now;
    if (this.left < 1) return Math.ceil(((1 - this.left) * 1000) / this.rate);
    this.left -= 1;
    return 0;
  }
}

function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

function resolveUrl(url) {
  const base = globalThis.location?.href ?? import.meta.url;
  const address = new URL(url ?? new URL("socket", import.meta.url), base);
  if (address.protocol === "http:") address.protocol = "ws:";
  if (address.protocol === "https:") address.protocol = "wss:";
  if (address.protocol !== "ws:" && address.protocol !== "wss:") {
    throw new TypeError(`connect: ${address.href} is no address of a gateway`);
  }
  if (address.pathname.endsWith("/")) address.pathname += "socket";
  address.hash = "";
  return address.href;
}

class Link {
  state = "connecting"; // "connecting", "open", "waiting", "closed"
  user = undefined;
  turn = 0; // counts connections: what belongs to an earlier one is void
  #options; #hooks; #url; #socket; #pace;
  #pending = new Map(); // ref → request, in the order of the calls
  #outbox = []; // refs that the pace holds back
  #nextRef = 1;
  #attempt = 0;
  #refusals = 0; // of tokens, one after the other
  #refusal; // what the gateway answered to the hello
  #timers = {};
  #unlisten = [];

  constructor(url, options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#url = url;
    this.#listen(globalThis, "online", () => this.probe());
    this.#listen(globalThis, "pageshow", (event) => event.persisted && this.probe());
    this.#listen(globalThis.document, "visibilitychange", () => {
      if (globalThis.document.visibilityState === "visible") this.probe();
    });
    this.#connect();
  }

  #listen(target, event, fn) {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(event, fn);
    this.#unlisten.push(() => target.removeEventListener(event, fn));
  }

  #timer(name, delay, fn) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = delay === undefined ? undefined : setTimeout(fn, delay);
  }

  #clearTimers() {
    for (const name of Object.keys(this.#timers)) this.#timer(name);
  }

  #setState(state, more) {
    this.state = state;
    this.#hooks.onState({ state, attempt: this.#attempt, ...more });
  }

  async #connect() {
    const turn = ++this.turn, { timeout, token, user } = this.#options;
    let given = token;
    this.#timer("retry");
    this.#setState("connecting");
    this.#timer("connect", timeout, () => this.#drop("ETIMEOUT", "the gateway did not answer"));
    try {
      if (typeof token === "function") given = await token();
    } catch (error) {
      if (turn === this.turn) this.#drop("EAUTH", `the token could not be had: ${error?.message}`);
      return;
    }
    if (turn === this.turn) this.#open({ op: "hello", user, token: given, ref: 0 });
  }

  #open(hello) {
    const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket;
    let socket;
    try {
      socket = new WebSocket(this.#url, ["moonpool.v1"]);
    } catch (error) { // such as ws: from a page that came by https:
      this.#end(new MoonpoolError("EARG", error.message));
      return;
    }
    this.#socket = socket;
    this.#pace = new Pace(this.#options.rate);
    this.#pace.take();
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = (event) => this.#onFrame(event.data);
    socket.onclose = (event) => this.#onClose(event.code, event.reason);
    socket.onerror = () => {}; // onclose follows, and says more
  }

  /** Does not wait for a closing handshake, which a dead link would never finish. */
  #drop(code, reason) {
    const socket = this.#forget();
    this.#onLost(new MoonpoolError(code, reason));
    socket?.close();
  }

  #forget() {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  // ---- what comes in

  #onFrame(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      frame = null;
    }
    if (typeof frame?.op !== "string") {
      this.#hooks.onError(new MoonpoolError("EPROTO", "the gateway sent what is no message"));
      return;
    }
    this.#watch();
    if (frame.op !== "ok" && frame.op !== "error") this.#hooks.onPush(frame);
    else if (frame.ref === 0 && this.state === "connecting") this.#onHello(frame);
    else this.#onAnswer(frame);
  }

  #onHello(frame) {
    if (frame.op === "error") {
      this.#refusal = new MoonpoolError(frame.code, frame.reason);
      this.#onClose(frame.code === "EAUTH" ? CLOSE.AUTH : undefined, frame.reason);
      return;
    }
    this.#timer("connect");
    this.#refusals = 0;
    this.user = frame.user;
    this.#timer("stable", this.#options.stable, () => { this.#attempt = 0; });
    const waiting = [...this.#pending.keys()];
    this.#setState("open");
    this.#hooks.onOpen(); // joins again, before what was asked for meanwhile
    for (const ref of waiting) this.#post(ref);
  }

  #onAnswer(frame) {
    const request = this.#pending.get(frame.ref);
    if (frame.op === "error") {
      const error = new MoonpoolError(frame.code, frame.reason, { room: frame.room });
      if (request) this.#settle(frame.ref, error);
      else if (frame.ref === undefined) this.#hooks.onError(error);
    } else if (request) {
      this.#settle(frame.ref, undefined, frame);
    }
  }

  #settle(ref, error, answer) {
    const request = this.#pending.get(ref);
    this.#pending.delete(ref);
    clearTimeout(request.timer);
    request.callback(error, answer);
  }

  /** Something was heard: the next look is due after another silence. */
  #watch() {
    this.#timer("pong");
    if (this.state === "open") this.#timer("ping", this.#options.ping, () => this.probe());
  }

  /** Is the gateway there? Waits no longer with the next attempt. */
  probe() {
    if (this.state === "waiting") this.#connect();
    if (this.state !== "open" || this.#timers.pong) return;
    this.#socket.send('{"op":"ping"}');
    this.#timer("pong", this.#options.pingTimeout, () => this.#drop("ETIMEOUT", "the link is dead"));
  }

  // ---- how connections end

  #onClose(closeCode, reason) {
    this.#forget()?.close();
    const error = this.#refusal ?? new MoonpoolError(
      closeCode === CLOSE.AUTH ? "EAUTH" : closeCode === CLOSE.REVOKED ? "EPERM" : "ECONN",
      reason || "the connection was lost", { closeCode });
    this.#refusal = undefined;
    if (closeCode === CLOSE.TOO_BIG) this.#refuseLargest();
    const isFinal = closeCode === CLOSE.REVOKED || PERMANENT.has(error.code) ||
      (closeCode === CLOSE.AUTH && this.#isRefused());
    if (isFinal) this.#end(error);
    else this.#onLost(error, closeCode);
  }

  /** A token that is a function may have a better one. */
  #isRefused() {
    this.#refusals += 1;
    return typeof this.#options.token !== "function" || this.#refusals >= TRIES_OF_A_TOKEN;
  }

  #onLost(error, closeCode) {
    const wasOpen = this.state === "open";
    this.#clearTimers();
    this.#outbox = [];
    if (closeCode === CLOSE.SLOW) this.#attempt = Math.max(this.#attempt, 2);
    const { retryBase, retryCap } = this.#options;
    const delay = Math.random() * Math.min(retryCap, retryBase * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#timer("retry", delay, () => this.#connect());
    this.#setState("waiting", { delay, error });
    for (const [ref, request] of [...this.#pending]) {
      if (request.isOfConnection) this.#settle(ref, error);
    }
    if (wasOpen) this.#hooks.onClose(error);
    else this.#hooks.onError(error);
  }

  /** For good. */
  #end(error) {
    const wasOpen = this.state === "open";
    this.#clearTimers();
    for (const unlisten of this.#unlisten) unlisten();
    this.turn += 1;
    this.#setState("closed", { error });
    for (const ref of [...this.#pending.keys()]) this.#settle(ref, error);
    if (error.code !== "ECLOSED") this.#hooks.onError(error);
    if (wasOpen || error.code === "ECLOSED") this.#hooks.onClose(error);
  }

  #refuseLargest() {
    let largest;
    for (const [ref, request] of this.#pending) {
      if (request.isSent && !(largest?.size > request.text.length)) {
        largest = { ref, size: request.text.length };
      }
    }
    const error = new MoonpoolError("ETOOBIG", "too large for the gateway");
    if (largest) this.#settle(largest.ref, error);
  }

  close() {
    if (this.state === "closed") return;
    this.#forget()?.close(CLOSE.NORMAL);
    this.#end(new MoonpoolError("ECLOSED", "the client is closed"));
  }

  // ---- requests

  /**
   * Asks; `callback(error, answer)` is called once, at once when the answer is there, so that what
   * follows it on the wire follows it here. Over the next connection again when this one is lost,
   * unless it `isOfConnection`.
   */
  ask(frame, { timeout = this.#options.timeout, isOfConnection = false }, callback) {
    const ref = this.#nextRef++, text = JSON.stringify({ ...frame, ref });
    const error = this.#objection(text, isOfConnection);
    if (error) {
      callback(error);
      return;
    }
    const timer = setTimeout(() => this.#onTimeout(ref, timeout), timeout);
    this.#pending.set(ref, { text, callback, timer, isOfConnection, isSent: false });
    if (this.state === "open") this.#post(ref);
  }

  #objection(text, isOfConnection) {
    const { maxMessage, maxPending } = this.#options;
    if (this.state === "closed") return new MoonpoolError("ECLOSED", "the client is closed");
    if (isOfConnection && this.state !== "open") return new MoonpoolError("ECONN", "not connected");
    if (this.#pending.size >= maxPending) {
      return new MoonpoolError("EQUEUE", `${maxPending} requests are waiting`);
    }
    if (text.length * 3 <= maxMessage || byteLength(text) <= maxMessage) return undefined;
    return new MoonpoolError("ETOOBIG", `${byteLength(text)} bytes, over ${maxMessage}`);
  }

  #onTimeout(ref, timeout) {
    const what = this.#pending.get(ref).isSent ? "sent, but no answer" : "not sent: not connected";
    this.#settle(ref, new MoonpoolError("ETIMEOUT", `${what} within ${timeout} ms`));
  }

  #post(ref) {
    this.#outbox.push(ref);
    if (!this.#timers.pace) this.#flush();
  }

  #flush() {
    this.#timer("pace");
    while (this.#outbox.length > 0) {
      const request = this.#pending.get(this.#outbox[0]);
      const wait = request ? this.#pace.take() : 0;
      if (wait > 0) {
        this.#timer("pace", wait, () => this.#flush());
        return;
      }
      this.#outbox.shift();
      if (!request) continue; // its deadline has passed
      request.isSent = true;
      this.#socket.send(request.text);
    }
  }

  request(frame, options = {}) {
    return new Promise((resolve, reject) => {
      this.ask(frame, options, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }
}

// ---- rooms ----------------------------------------------------------------------------------

function randomKey() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The fields that come from outside of the body are last: no body can forge them. */
function makeMessage(room, id, body) {
  const at = id === undefined ? undefined : Number(id.split("-", 1)[0]);
  return { type: "message", text: "", ...body, id, at, room };
}

const ROOM_EVENTS = ["message", "gap", "join", "leave", "typing", "reconnect", "down", "error"];

/**
 * A room that was joined, made by client.join(). Events wait until there is a handler of messages,
 * which may be set right behind `await client.join(…)`.
 *
 *   message    a Message
 *   gap        a Gap
 *   join, leave, typing  { room, user }
 *   reconnect  { room, by }: what was missed follows. `by` "client": this connection was lost and
 *              is back, so who is here may have changed; "gateway": that of the gateway to Redis
 *   down       { room, reason }: the gateway cannot read Redis now
 *   error      a MoonpoolError: it could not be joined again, and is left
 */
export class Room {
  #link; #onLeave; #maxHeld;
  #events = new Emitter(ROOM_EVENTS);
  #held = []; // what happened before there was a handler of messages; null: there is one
  #lost = 0; // messages that did not fit there
  #seen = new Set();
  #start;
  #typedAt = 0;

  /** @type {string} */
  name;
  /** How many users were here when it was joined. @type {number | undefined} */
  count;
  /** The id of the last message, from which it goes on. @type {string | undefined} */
  position;
  /** Is it joined by the present connection? */
  isJoined = false;
  /** Was it left? */
  isLeft = false;

  /** @ignore */
  constructor(name, link, { last, since }, maxHeld, onLeave) {
    this.name = name;
    this.#link = link;
    this.#start = { last, since };
    this.position = since;
    this.#maxHeld = maxHeld;
    this.#onLeave = onLeave;
  }

  /**
   * Calls `fn` for each of these events.
   * @param {"message"|"gap"|"join"|"leave"|"typing"|"reconnect"|"down"|"error"} event
   * @param {(value: any) => void} fn
   * @returns {() => void} takes it back
   */
  on(event, fn) {
    const off = this.#events.add(event, fn);
    if (event === "message" && this.#held) queueMicrotask(() => this.#release());
    return off;
  }

  /**
   * Says something. Without a connection it waits for one; what was not acknowledged is said again,
   * with the same key, which the gateway takes once.
   * @param {string} text
   * @param {{ key?: string, type?: "message" | "action", timeout?: number }} [options]
   * @returns {Promise<string>} its id. EREJECTED: a policy's reason. Of ETIMEOUT it may be known
   *   whether it was said by saying it again with the error's `key`
   */
  async say(text, { key = randomKey(), type, timeout } = {}) {
    try {
      const frame = { op: "say", room: this.name, text: String(text), key, type };
      return (await this.#link.request(frame, { timeout: timeout ?? this.#link.sayTimeout })).id;
    } catch (error) {
      throw Object.assign(error, { key });
    }
  }

  /**
   * Reads what was said, oldest first. All that is given must be met.
   * @param {{ last?: number, before?: string, after?: string, since?: number, till?: number,
   *   limit?: number }} [query] `last`, `limit`: at most so many of the newest; ids are exclusive
   * @returns {Promise<Message[] & { isTruncated: boolean }>} `isTruncated`: the gateway has cut
   *   the answer, as it was too large
   */
  async history({ last, before, after, since, till, limit } = {}) {
    const query = { last, before, after, since, till, limit };
    const answer = await this.#link.request({ op: "history", room: this.name, ...query });
    const messages = answer.messages.map(({ id, message }) => makeMessage(this.name, id, message));
    return Object.assign(messages, { isTruncated: answer.truncated === true });
  }

  /**
   * Who is here: a page of them.
   * @param {{ limit?: number, cursor?: string }} [page] where to go on: an answer's `cursor`
   * @returns {Promise<{ members: { user: string, since: number, places: number }[],
   *   count: number, cursor?: string }>}
   */
  async who({ limit, cursor } = {}) {
    const answer = await this.#link.request({ op: "who", room: this.name, limit, cursor });
    const { members, count, cursor: next } = answer;
    return { members, count, cursor: next === "0" ? undefined : next ?? undefined };
  }

  /** Tells that one is typing: at most once a second, and not at all without a connection. */
  typing() {
    const now = Date.now();
    if (this.#link.state !== "open" || now - this.#typedAt < TYPING_PAUSE) return;
    this.#typedAt = now;
    this.#link.ask({ op: "typing", room: this.name }, { isOfConnection: true }, () => {});
  }

  /** Leaves: no more events. Awaits that the gateway knows. */
  async leave() {
    if (this.isLeft) return;
    this.abandon();
    if (this.#link.state !== "open") return; // its connection's end has done it
    await this.#link.request({ op: "leave", room: this.name }, { isOfConnection: true })
      .catch((error) => { if (!TEMPORARY.has(error.code)) throw error; });
  }

  // ---- what the client calls

  /** @ignore */
  abandon() {
    this.isLeft = true;
    this.isJoined = false;
    if (this.#held) this.#held = [];
    this.#onLeave();
  }

  /** @ignore Where a join should begin. */
  where() {
    return this.position === undefined ? this.#start : { since: this.position };
  }

  /** @ignore */
  onJoined(answer, isAgain) {
    this.isJoined = true;
    this.count = answer.count;
    // Absent with `last` when messages come: the first one tells it.
    this.position ??= answer.position;
    if (isAgain) this.#happen("reconnect", { room: this.name, by: "client" });
  }

  /** @ignore */
  onPush(frame) {
    if (!this.isJoined) return; // of a membership before
    const { op, room, user } = frame;
    if (op === "message") this.#onMessage(frame);
    else if (op === "gap") this.#happen("gap", makeGap(frame));
    else if (op === "reconnect") this.#happen("reconnect", { room, by: "gateway" });
    else if (op === "down") this.#happen("down", { room, reason: frame.reason });
    else if (op === "join" || op === "leave" || op === "typing") this.#happen(op, { room, user });
  }

  /** @ignore */
  onError(error) {
    this.#happen("error", error);
  }

  #onMessage({ id, message }) {
    if (id !== undefined) {
      if (this.#seen.has(id)) return;
      this.#seen.add(id);
      if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
      this.position = id;
    }
    this.#happen("message", makeMessage(this.name, id, message));
  }

  #happen(event, value) {
    if (this.isLeft && event !== "error") return;
    if (!this.#held) {
      this.#events.emit(event, value);
    } else if (this.#held.length < this.#maxHeld) {
      this.#held.push([event, value]);
    } else if (event === "message" || event === "gap") {
      this.#lost += 1;
    }
  }

  #release() {
    const held = this.#held ?? [], missing = this.#lost;
    this.#held = null;
    for (const [event, value] of held) this.#events.emit(event, value);
    if (missing) this.#events.emit("gap", { room: this.name, missing, reason: "overflow" });
  }
}

function makeGap({ room, from, to, missing, reason }) {
  return { room, from: from ?? undefined, to: to ?? undefined, missing: missing ?? undefined, reason };
}

// ---- the client -----------------------------------------------------------------------------

/**
 * A connection to a gateway that is made again when it is lost, made by connect().
 *
 *   open   { user }: connected, also again
 *   close  a MoonpoolError: the connection was lost; `closeCode`. ECLOSED: by close()
 *   error  a MoonpoolError: an attempt failed, or the client has ended (`state` is "closed"): EAUTH,
 *          its token is refused; EPERM, it was revoked; EARG, such a name cannot be
 *   state  { state, attempt, delay, error }: "connecting", "open", "waiting" (for `delay` ms),
 *          "closed"
 */
export class Client {
  #link; #options;
  #rooms = new Map();
  #events = new Emitter(["open", "close", "error", "state"]);

  /** @ignore */
  constructor(url, options) {
    this.#options = options;
    const emit = (event) => (value) => this.#events.emit(event, value);
    this.#link = new Link(resolveUrl(url), options, {
      onOpen: () => this.#onOpen(),
      onPush: (frame) => this.#rooms.get(frame.room)?.onPush(frame),
      onState: (change) => this.#onState(change),
      onClose: emit("close"),
      onError: emit("error"),
    });
    this.#link.sayTimeout = options.sayTimeout;
  }

  /** @returns {"connecting" | "open" | "waiting" | "closed"} */
  get state() {
    return this.#link?.state ?? "connecting";
  }

  /** Who the gateway takes it for; undefined before it is open. @returns {string | undefined} */
  get user() {
    return this.#link.user;
  }

  /**
   * Calls `fn` for each of these events.
   * @param {"open" | "close" | "error" | "state"} event
   * @param {(value: any) => void} fn
   * @returns {() => void} takes it back
   */
  on(event, fn) {
    return this.#events.add(event, fn);
  }

  /**
   * Joins a room: its messages come from now on, from the newest `last` ones on, or from what came
   * after the id `since`. It stays joined over lost connections. A room that is joined already is
   * the answer.
   * @param {string} name
   * @param {{ last?: number, since?: string }} [start]
   * @returns {Promise<Room>} EPERM, EREJECTED, EARG, EQUEUE, ETIMEOUT
   */
  join(name, start = {}) {
    name = String(name).replace(/^room:/, "");
    const known = this.#rooms.get(name);
    if (known) return known.ready;
    if (this.state === "closed") {
      return Promise.reject(new MoonpoolError("ECLOSED", "the client is closed"));
    }
    const room = new Room(name, this.#link, start, this.#options.maxHeld, () => {
      if (this.#rooms.get(name) === room) this.#rooms.delete(name);
      room.onFirst(new MoonpoolError("ECLOSED", "the room was left"));
    });
    this.#rooms.set(name, room);
    room.ready = this.#awaitFirst(room);
    if (this.state === "open") this.#enter(room);
    return room.ready;
  }

  #awaitFirst(room) {
    return new Promise((resolve, reject) => {
      const { timeout } = this.#options;
      const timer = setTimeout(() => {
        room.onFirst(new MoonpoolError("ETIMEOUT", `not connected within ${timeout} ms`));
      }, timeout);
      room.onFirst = (error) => {
        clearTimeout(timer);
        room.onFirst = () => {};
        if (!error) return resolve(room);
        if (!room.isLeft) room.abandon();
        return reject(error);
      };
      room.isFirst = true;
    });
  }

  #enter(room) {
    const { turn } = this.#link;
    if (room.turn === turn) return;
    room.turn = turn;
    const frame = { op: "join", room: room.name, ...room.where() };
    this.#link.ask(frame, { isOfConnection: true }, (error, answer) => {
      if (room.isLeft || turn !== this.#link.turn || this.state !== "open") return;
      if (error) {
        this.#onRefused(room, error);
        return;
      }
      room.onJoined(answer, !room.isFirst);
      room.isFirst = false;
      room.onFirst();
    });
  }

  #onRefused(room, error) {
    if (room.isFirst) {
      room.onFirst(error);
    } else if (TEMPORARY.has(error.code)) {
      const { turn } = this.#link, delay = Math.random() * this.#options.retryBase * 8;
      room.turn = undefined;
      setTimeout(() => turn === this.#link.turn && !room.isLeft && this.#enter(room), delay);
    } else {
      room.abandon();
      room.onError(error);
    }
  }

  #onOpen() {
    for (const room of this.#rooms.values()) this.#enter(room);
    this.#events.emit("open", { user: this.user });
  }

  #onState(change) {
    if (change.state !== "open") for (const room of this.#rooms.values()) room.isJoined = false;
    this.#events.emit("state", change);
    if (change.state !== "closed") return;
    for (const room of [...this.#rooms.values()]) room.onFirst(change.error);
  }

  /**
   * Which rooms there are, of those that one may enter.
   * @param {string} [pattern] of their names, as of Redis's KEYS
   * @returns {Promise<{ room: string, count?: number }[]>}
   */
  async rooms(pattern) {
    return (await this.#link.request({ op: "rooms", pattern })).rooms;
  }

  /** Waits no longer with the next attempt to connect; asks whether a connection is still alive. */
  retry() {
    this.#link.probe();
  }

  /** Ends for good. What was asked for and not answered fails: ECLOSED. */
  close() {
    this.#link.close();
  }
}

/**
 * Connects to a gateway, in the background: see the client's events.
 * @param {string | URL} [url] such as "wss://chat.example.org/socket"; what ends with "/" gets
 *   "socket"; http becomes ws. Default: "socket" beside this module
 * @param {Options} [options]
 * @returns {Client}
 */
export function connect(url, options = {}) {
  for (const name of Object.keys(options)) {
    if (!(name in DEFAULTS)) throw new TypeError(`connect: no option "${name}"`);
  }
  const all = { ...DEFAULTS, ...options };
  if (!(all.WebSocket ?? globalThis.WebSocket)) {
    throw new TypeError("connect: no WebSocket here; give one as the option WebSocket");
  }
  return new Client(url, all);
}
