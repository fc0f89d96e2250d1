// A room as the page knows it: a window of its messages, who is here, what is typed. No DOM.
import { Sayings } from "./chat-sayings.js";

const PAGE = 60; // messages fetched at once
const WINDOW = 360; // messages kept; more come from the history when they are scrolled to
const TYPING = 5_000; // ms for which somebody is taken to be typing
const PEOPLE = 200; // who are listed by name
const HIDDEN = new Set(["delete", "clear", "rename", "topic"]); // types that tell of other messages

/** Is the id newer? Their tags only tell two histories apart. */
export function isNewer(id, other) {
  const [ms, seq] = id.split("-", 2).map(Number), [otherMs, otherSeq] = other.split("-", 2).map(Number);
  return ms > otherMs || (ms === otherMs && seq > otherSeq);
}

/** May there be more than this page of the history? */
function isMore(messages) {
  return messages.length >= PAGE || messages.isTruncated;
}

/**
 * An item of the window: a message, or a gap.
 * @typedef {{ message?: import("./moonpool.js").Message, gap?: import("./moonpool.js").Gap,
 *   isNew?: boolean }} Item
 */

export class ChatRoom {
  /** @type {Item[]} */ items = [];
  isAtEnd = true; // is the newest message in the window?
  hasOlder = true;
  isLoading = false;
  below = 0; // messages that came while the window was elsewhere
  unread = 0;
  people = new Map(); // user → places
  count = 0;
  typing = new Map(); // user → until
  draft = "";
  sayings = new Sayings(() => this.#onChange(this, "messages"));
  problem = ""; // why nothing of it can be read now
  readId = undefined; // of the newest message that was seen

  #client; #room; #onChange; #isSeen;
  #ids = new Set();
  #arrived = null; // what comes while the newest messages are being fetched
  #isLoaded = false;
  #oldest; #newest;

  /**
   * @param {string} name
   * @param {import("./moonpool.js").Client} client
   * @param {(room: ChatRoom, what: "messages" | "people" | "typing" | "unread" | "left") => void} onChange
   * @param {(room: ChatRoom) => boolean} isSeen does somebody see what comes now?
   */
  constructor(name, client, onChange, isSeen) {
    this.name = name;
    this.#client = client;
    this.#onChange = onChange;
    this.#isSeen = isSeen;
  }

  get room() {
    return this.#room;
  }

  /** Joins; then fetches the newest messages, and who is here. */
  async open() {
    const room = await this.#client.join(this.name);
    this.#room = room;
    room.on("message", (message) => this.#onMessage(message));
    room.on("gap", (gap) => this.#onGap(gap));
    room.on("join", ({ user }) => this.#onPerson(user, 1));
    room.on("leave", ({ user }) => this.#onPerson(user, -1));
    room.on("typing", ({ user }) => this.#onTyping(user));
    room.on("down", ({ reason }) => this.#setProblem(reason || "the gateway cannot read this room now"));
    room.on("error", (error) => { this.#setProblem(error.reason); this.#onChange(this, "left"); });
    room.on("reconnect", () => this.#onReconnect());
    await Promise.all([this.loadNewest(), this.loadPeople()]);
  }

  #onReconnect() {
    this.#setProblem("");
    this.loadPeople();
    if (!this.#isLoaded) this.loadNewest();
  }

  #setProblem(problem) {
    this.problem = problem;
    this.#onChange(this, "messages");
  }

  close() {
    this.#room?.leave().catch(() => {}); // its connection's end does it then
  }

  // ---- the window

  /** Shows the newest messages, wherever the window was. */
  async loadNewest() {
    await this.#load(async () => {
      this.#arrived = [];
      const messages = await this.#room.history({ last: PAGE });
      const arrived = this.#arrived;
      this.#clear();
      this.hasOlder = isMore(messages);
      this.isAtEnd = this.#isLoaded = true;
      this.below = 0;
      this.#takeAll(messages, "end");
      this.#markUnread();
      this.#takeArrived(arrived);
    });
    this.#arrived = null;
  }

  async loadOlder() {
    if (!this.hasOlder || !this.#oldest) return;
    await this.#load(async () => {
      const messages = await this.#room.history({ before: this.#oldest, last: PAGE });
      this.hasOlder = isMore(messages);
      this.#takeAll(messages, "begin");
      this.#trim("end");
    });
  }

  async loadNewer() {
    if (this.isAtEnd || !this.#newest) return;
    await this.#load(async () => {
      this.#arrived = [];
      const messages = await this.#room.history({ after: this.#newest, limit: PAGE });
      this.#takeAll(messages, "end");
      if (!isMore(messages)) {
        this.isAtEnd = true;
        this.below = 0;
        this.#takeArrived(this.#arrived);
      }
      this.#trim("begin");
    });
    this.#arrived = null;
  }

  async #load(work) {
    if (this.isLoading || !this.#room) return;
    this.isLoading = true;
    this.#onChange(this, "messages");
    try {
      await work();
      this.problem = "";
    } catch (error) {
      this.problem = error.reason ?? String(error);
    }
    this.isLoading = false;
    this.#onChange(this, "messages");
  }

  #clear() {
    this.items = [];
    this.#ids.clear();
    this.#oldest = this.#newest = undefined;
  }

  #takeAll(messages, where) {
    const items = [];
    for (const message of messages) {
      if (message.id !== undefined && this.#ids.has(message.id)) continue;
      this.#remember(message);
      if (HIDDEN.has(message.type)) this.#obey(message);
      else items.push({ message });
    }
    if (where === "end") this.items.push(...items);
    else this.items.unshift(...items);
  }

  #takeArrived(arrived) {
    for (const { message, gap } of arrived) {
      if (gap) this.#placeGap(gap);
      else this.#takeAll([message], "end");
    }
  }

  /** Before what came after it. */
  #placeGap(gap) {
    const isBehind = ({ message }) => message?.id !== undefined &&
      (gap.to ? !isNewer(gap.to, message.id) : Boolean(gap.from) && isNewer(message.id, gap.from));
    const at = this.items.findIndex(isBehind);
    this.items.splice(at < 0 ? this.items.length : at, 0, { gap });
  }

  #remember({ id }) {
    if (id === undefined) return;
    this.#ids.add(id);
    if (!this.#oldest || isNewer(this.#oldest, id)) this.#oldest = id;
    if (!this.#newest || isNewer(id, this.#newest)) this.#newest = id;
  }

  #obey({ type, target }) {
    if (type === "clear") this.items = [];
    if (type === "delete") this.items = this.items.filter(({ message }) => !message || message.id !== target);
  }

  /** What is taken off is fetched again when it is scrolled to. */
  #trim(side) {
    const over = this.items.length - WINDOW;
    if (over <= 0) return;
    const cut = side === "begin" ? this.items.splice(0, over) : this.items.splice(WINDOW);
    for (const { message } of cut) this.#ids.delete(message?.id);
    const ids = this.items.filter(({ message }) => message?.id).map(({ message }) => message.id);
    if (side === "begin") {
      this.#oldest = ids[0];
      this.hasOlder = true;
    } else {
      this.#newest = ids.at(-1);
      this.isAtEnd = false;
    }
  }

  // ---- what comes

  #onMessage(message) {
    if (message.user) this.typing.delete(message.user);
    if (message.user === this.#client.user) this.sayings.onMessage(message);
    if (this.#arrived) {
      this.#arrived.push({ message });
    } else if (this.isAtEnd) {
      this.#takeAll([message], "end");
      this.#trim("begin");
    }
    this.#count(message);
    this.#onChange(this, "messages");
  }

  #onGap(gap) {
    if (this.#arrived) this.#arrived.push({ gap });
    else if (this.isAtEnd) this.#placeGap(gap);
    this.#onChange(this, "messages");
  }

  #count(message) {
    if (HIDDEN.has(message.type) || message.id === undefined) return;
    if (!this.isAtEnd) this.below += 1;
    if (message.user === this.#client.user || this.#isSeen(this)) {
      if (this.unread === 0) this.readId = message.id;
      return;
    }
    this.unread += 1;
    if (this.unread === 1) this.#markNew();
    this.#onChange(this, "unread");
  }

  #markNew() {
    for (const item of this.items) item.isNew = false;
    const item = this.items.at(-1);
    if (item?.message) item.isNew = true;
  }

  /** After the page was away: what came since. */
  #markUnread() {
    if (!this.readId || this.unread > 0) return;
    const isUnread = ({ message }) => message && message.user !== this.#client.user &&
      isNewer(message.id, this.readId);
    const unread = this.items.filter(isUnread);
    if (unread.length === 0) return;
    unread[0].isNew = true;
    this.unread = this.#isSeen(this) ? 0 : unread.length;
    this.#onChange(this, "unread");
  }

  /** All of it has been seen. */
  read() {
    this.readId = this.#newest ?? this.readId;
    if (this.unread === 0) return;
    this.unread = 0;
    this.#onChange(this, "unread");
  }

  // ---- people

  async loadPeople() {
    try {
      const { members, count } = await this.#room.who({ limit: PEOPLE });
      this.people = new Map(members.slice(0, PEOPLE).map(({ user, places }) => [user, places]));
      this.count = count;
    } catch (error) {
      if (error.code !== "ECONN" && error.code !== "ECLOSED") this.problem ||= error.reason;
    }
    this.#onChange(this, "people");
  }

  #onPerson(user, change) {
    const isKnown = this.people.has(user);
    if (change > 0 && isKnown) return;
    this.count = Math.max(this.people.size, this.count + change);
    if (change < 0) this.people.delete(user);
    else if (this.people.size < PEOPLE) this.people.set(user, 1);
    this.count = Math.max(this.people.size, this.count);
    if (change < 0) this.typing.delete(user);
    this.#onChange(this, "people");
  }

  #onTyping(user) {
    if (user === this.#client.user) return;
    this.typing.set(user, Date.now() + TYPING);
    this.#onChange(this, "typing");
    setTimeout(() => this.#onChange(this, "typing"), TYPING + 50);
  }

  /** Who is typing now. */
  typists() {
    for (const [user, until] of this.typing) if (until <= Date.now()) this.typing.delete(user);
    return [...this.typing.keys()];
  }
}
