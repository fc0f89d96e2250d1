// The messages of the room that is shown: as many nodes as the room's window has items, at the
// place where the reader is.
import { hueOf, isSameDay, linkify, make, makeAvatar, makeTime, nameDay } from "./chat-text.js";

const GROUP = 5 * 60_000; // ms: who goes on after less does not get his name again
const NEAR = 300; // pixels to an end of the window, at which more is fetched
const AT_END = 60; // pixels to the newest message, at which one follows it
const LONG = { characters: 1500, lines: 16 };
const WHY = {
  trimmed: "the room does not keep them any more",
  forked: "another server took over, and did not have them",
  overflow: "too much came at once",
  unavailable: "this room's history cannot be asked for them",
};

function nameGap({ missing, reason }) {
  const count = missing === undefined ? "Some messages are" : missing === 1 ? "1 message is" : `${missing} messages are`;
  return `${count} missing${WHY[reason] ? `: ${WHY[reason]}` : ""}`;
}

export function isLongText(text) {
  return text.length > LONG.characters || text.split("\n", LONG.lines + 1).length > LONG.lines;
}

/** What a message looks like depends on the one before it. */
function describe({ message, gap, isNew }, before) {
  if (gap) return { isFirst: true };
  const previous = before?.message, at = message.at ?? Date.now();
  const isOtherDay = !previous || !isSameDay(previous.at ?? at, at);
  const isFirst = isOtherDay || isNew || message.type !== "message" || previous.type !== "message" ||
    previous.user !== message.user || at - (previous.at ?? at) > GROUP;
  return { isFirst, isOtherDay, isNew: Boolean(isNew) };
}

/** The text's box, and the way to the rest of a long one. */
export function makeText(text, prefix) {
  const box = make("div.text", { dir: "auto" }, ...(prefix ? [prefix, " "] : []), ...linkify(text));
  if (!isLongText(text)) return [box];
  const more = make("button.small", {
    type: "button", "aria-expanded": "false",
    click: () => {
      const isLong = box.parentElement.classList.toggle("is-long");
      more.setAttribute("aria-expanded", String(!isLong));
      more.textContent = isLong ? "Show all" : "Show less";
    },
  }, "Show all");
  return [box, more];
}

function makeHead(message, at) {
  const user = message.user ?? "";
  return [
    makeAvatar(user || "?"),
    make("div.head", {},
      make(`bdi.author.${hueOf(user)}`, {}, user || "(nobody)"),
      message.bot ? make("span.tag", {}, "bot") : null, makeTime(at)),
  ];
}

function makeFollowing(message, at) {
  return [make("span.sr", {}, `${message.user ?? "nobody"}:`), makeTime(at, "gutter")];
}

function makeMessage(message, { isFirst, isOtherDay, isNew }) {
  const at = message.at ?? Date.now(), text = String(message.text ?? "");
  const isAction = message.type === "action";
  const item = make("li.message", { "data-id": message.id });
  item.classList.toggle("is-first", isFirst);
  item.classList.toggle("is-action", isAction);
  item.classList.toggle("is-long", isLongText(text));
  if (isOtherDay) item.append(make("div.day", {}, nameDay(at)));
  if (isNew) item.append(make("div.new", {}, "New messages"));
  item.append(...(isFirst ? makeHead(message, at) : makeFollowing(message, at)));
  item.append(...makeText(text, isAction ? make("bdi", {}, message.user ?? "") : null));
  return item;
}

function makeItem(item, how) {
  if (item.gap) return make("li.gap", {}, nameGap(item.gap));
  return makeMessage(item.message, how);
}

export class LogView {
  #log; #list; #edge; #jump;
  #room = null;
  #nodes = new Map(); // item → { node, key }
  #isFollowing = true; // the newest message, as it comes
  #frame = 0;
  #onSeen;

  /** @param {(room: import("./chat-room.js").ChatRoom) => void} onSeen the newest message is seen */
  constructor(onSeen) {
    this.#onSeen = onSeen;
    this.#log = document.getElementById("log");
    this.#list = document.getElementById("messages");
    this.#edge = document.getElementById("edge");
    this.#jump = document.getElementById("jump");
    this.#log.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#jump.addEventListener("click", () => this.goToEnd());
    new ResizeObserver(() => this.#isFollowing && this.#scrollToEnd()).observe(this.#log);
  }

  /** Is the newest message on screen? */
  get isFollowing() {
    return this.#isFollowing && (this.#room?.isAtEnd ?? true);
  }

  /** @param {import("./chat-room.js").ChatRoom | null} room */
  show(room) {
    this.#room = room;
    this.#nodes.clear();
    this.#quietly(() => this.#list.replaceChildren());
    this.#isFollowing = true;
    this.#log.setAttribute("aria-label", room ? `Messages in ${room.name}` : "Messages");
    this.#sync();
  }

  /** Something has changed: soon it is on screen. */
  update() {
    this.#frame ||= requestAnimationFrame(() => this.#sync());
  }

  async goToEnd() {
    this.#isFollowing = true;
    if (this.#room && !this.#room.isAtEnd) await this.#room.loadNewest();
    this.#sync();
  }

  scrollBy(pages) {
    this.#log.scrollBy({ top: pages * this.#log.clientHeight * 0.85 });
  }

  /** What is no news is not read out. */
  #quietly(change) {
    this.#log.setAttribute("aria-live", "off");
    change();
    setTimeout(() => this.#log.setAttribute("aria-live", "polite"), 100);
  }

  #sync() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const anchor = this.#isFollowing ? null : this.#findAnchor();
    const items = this.#room?.items ?? [];
    const isNews = this.#nodes.size > 0 && this.#nodes.has(items[0]);
    const change = () => this.#place(items);
    if (isNews) change();
    else this.#quietly(change);
    this.#showEdge();
    if (this.#isFollowing) this.#scrollToEnd();
    else this.#keepAnchor(anchor);
    this.#showJump();
    if (this.#room && this.isFollowing && document.visibilityState === "visible") this.#onSeen(this.#room);
    this.#fetchMore();
  }

  #place(items) {
    const kept = new Set(items);
    for (const [item, { node }] of this.#nodes) {
      if (kept.has(item)) continue;
      node.remove();
      this.#nodes.delete(item);
    }
    let last = null;
    items.forEach((item, i) => {
      const node = this.#nodeOf(item, items[i - 1]);
      const next = last ? last.nextElementSibling : this.#list.firstElementChild;
      if (node !== next) this.#list.insertBefore(node, next);
      last = node;
    });
  }

  #nodeOf(item, before) {
    const how = describe(item, before), key = JSON.stringify(how);
    const known = this.#nodes.get(item);
    if (known?.key === key) return known.node;
    const node = makeItem(item, how);
    known?.node.replaceWith(node);
    this.#nodes.set(item, { node, key });
    return node;
  }

  // ---- where the reader is

  #findAnchor() {
    const top = this.#log.getBoundingClientRect().top;
    for (const [item, { node }] of this.#nodes) {
      const box = node.getBoundingClientRect();
      if (box.bottom > top && !node.classList.contains("gap")) return { item, offset: box.bottom - top };
    }
    return null;
  }

  /** By its lower edge: its head may come or go with the message before it. */
  #keepAnchor(anchor) {
    const node = anchor && this.#nodes.get(anchor.item)?.node;
    if (!node) return;
    const offset = node.getBoundingClientRect().bottom - this.#log.getBoundingClientRect().top;
    if (offset !== anchor.offset) this.#log.scrollTop += offset - anchor.offset;
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const wasFollowing = this.#isFollowing;
    this.#isFollowing = scrollHeight - clientHeight - scrollTop < AT_END;
    if (this.isFollowing && !wasFollowing && this.#room) this.#onSeen(this.#room);
    this.#showJump();
    this.#fetchMore();
  }

  #fetchMore() {
    const room = this.#room, { scrollTop, scrollHeight, clientHeight } = this.#log;
    if (!room || room.isLoading || room.problem) return;
    if (scrollTop < NEAR && room.hasOlder) room.loadOlder();
    else if (!room.isAtEnd && scrollHeight - clientHeight - scrollTop < NEAR) room.loadNewer();
  }

  #showEdge() {
    const room = this.#room;
    const text = !room ? "" : room.problem ? `Cannot be read now: ${room.problem}`
      : room.hasOlder ? "Earlier messages are on their way…"
        : room.items.length > 0 ? "Earlier messages are not kept" : "Nothing was said here yet";
    if (this.#edge.textContent !== text) this.#edge.textContent = text;
  }

  #showJump() {
    const room = this.#room, news = room ? Math.max(room.unread, room.below) : 0;
    this.#jump.hidden = !room || this.isFollowing;
    this.#jump.textContent = news > 0 ? `${news} new ↓` : "Newest ↓";
    this.#jump.setAttribute("aria-label", news > 0 ? `${news} new messages: go to the newest` : "Go to the newest message");
  }
}
