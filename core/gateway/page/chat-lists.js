// The lists beside the messages: rooms, with what is unread in them, and who is here.
import { make, makeAvatar } from "./chat-text.js";

/** A count as it fits into a badge. */
function shorten(count) {
  return count > 999 ? "999+" : String(count);
}

/** Replaces a list's items; what has the focus keeps it, if it is still there. */
function replaceItems(list, items) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  list.replaceChildren(...items);
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export class RoomList {
  #mine = document.getElementById("mine");
  #more = document.getElementById("more");
  #moreTitle = document.getElementById("more-title");
  #input = document.getElementById("join-name");
  #onOpen; #onLeave;
  #frame = 0;
  #state = { rooms: [], others: [], current: null };

  /** @param {{ onOpen: (name: string) => void, onLeave: (name: string) => void }} hooks */
  constructor({ onOpen, onLeave }) {
    this.#onOpen = onOpen;
    this.#onLeave = onLeave;
    this.#input.addEventListener("input", () => this.#draw());
    document.getElementById("join").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#input.value.trim().replace(/^#/, "").trim();
      this.#input.value = "";
      this.#draw();
      if (name) onOpen(name);
    });
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** @param {{ rooms: object[], others: { room: string, count?: number }[], current: object }} state */
  update(state) {
    this.#state = state;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { rooms, others, current } = this.#state;
    const wanted = this.#input.value.trim().replace(/^#/, "").toLocaleLowerCase();
    const isWanted = (name) => name.toLocaleLowerCase().includes(wanted);
    replaceItems(this.#mine, rooms.filter(({ name }) => isWanted(name)).map((room) => this.#makeMine(room, room === current)));
    const more = others.filter(({ room }) => isWanted(room));
    this.#moreTitle.hidden = more.length === 0;
    replaceItems(this.#more, more.map((other) => this.#makeOther(other)));
  }

  #makeMine(room, isCurrent) {
    const { name, unread } = room;
    const badge = unread > 0 && make("span.badge", {}, shorten(unread), make("span.sr", {}, " unread"));
    const item = make("li.room", {},
      make("button.room-open", {
        type: "button", "data-key": name, "aria-current": isCurrent ? "page" : null, click: () => this.#onOpen(name),
      }, make("bdi.room-name", {}, name), badge),
      make("button.icon.room-leave", { type: "button", "data-key": `leave ${name}`, "aria-label": `Leave ${name}`, click: () => this.#onLeave(name) }, "✕"));
    item.classList.toggle("is-current", isCurrent);
    item.classList.toggle("has-unread", unread > 0);
    return item;
  }

  #makeOther({ room, count }) {
    const badge = count > 0 && make("span.badge.is-count", {}, shorten(count), make("span.sr", {}, " here"));
    return make("li.room", {}, make("button.room-open", {
      type: "button", "data-key": room, click: () => this.#onOpen(room),
    }, make("bdi.room-name", {}, room), badge));
  }
}

export class PeopleList {
  #list = document.getElementById("people-list");
  #more = document.getElementById("people-more");
  #count = document.getElementById("count");
  #counts = document.getElementById("people-count");
  #room = null;
  #frame = 0;

  /** @param {import("./chat-room.js").ChatRoom | null} room */
  show(room) {
    this.#room = room;
    this.#draw();
  }

  update() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { people, count } = this.#room ?? { people: new Map(), count: 0 };
    const sorted = [...people].sort(([a], [b]) => a.localeCompare(b));
    this.#list.replaceChildren(...sorted.map(([user, places]) => this.#makePerson(user, places)));
    const more = count - sorted.length;
    this.#more.textContent = more > 0 ? `and ${more.toLocaleString()} more` : "";
    this.#count.textContent = shorten(count);
    this.#counts.textContent = count.toLocaleString();
  }

  #makePerson(user, places) {
    return make("li.person", {}, makeAvatar(user), make("bdi.person-name", { title: user }, user),
      places > 1 && make("span.muted", {}, `×${places}`, make("span.sr", {}, " places")));
  }
}
