// The message box, what is on its way or was rejected, and who is typing.
import { makeText } from "./chat-log.js";
import { make, makeAvatar } from "./chat-text.js";

function nameTypists(users) {
  if (users.length === 0) return "";
  if (users.length === 1) return `${users[0]} is typing…`;
  if (users.length <= 3) return `${users.slice(0, -1).join(", ")} and ${users.at(-1)} are typing…`;
  return "Several people are typing…";
}

export class Composer {
  #text = document.getElementById("text");
  #list = document.getElementById("sayings");
  #typing = document.getElementById("typing");
  #nodes = new Map(); // saying → { node, state }
  #room = null;
  #log;

  /** @param {import("./chat-log.js").LogView} log */
  constructor(log) {
    this.#log = log;
    document.getElementById("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#text.addEventListener("keydown", (event) => this.#onKey(event));
    this.#text.addEventListener("input", () => this.#onInput());
  }

  focus() {
    this.#text.focus();
  }

  /** @param {import("./chat-room.js").ChatRoom | null} room */
  show(room) {
    if (this.#room) this.#room.draft = this.#text.value;
    this.#room = room;
    this.#text.value = room?.draft ?? "";
    const name = room ? `Message to ${room.name}` : "Message";
    document.getElementById("text-label").textContent = name;
    this.#text.placeholder = name;
    this.#text.disabled = !room;
    document.getElementById("send").disabled = !room;
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#fit();
    this.update();
    this.updateTyping();
  }

  // ---- typing and saying

  #onKey(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const isEmpty = this.#text.value === "";
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#say();
    } else if (event.key === "ArrowUp" && isEmpty) {
      this.#editLast(event);
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      this.#log.scrollBy(event.key === "PageUp" ? -1 : 1);
    }
  }

  #onInput() {
    this.#fit();
    if (this.#text.value.trim() !== "") this.#room?.room?.typing();
  }

  /** As high as what is in it, up to the style sheet's limit. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #say() {
    const written = this.#text.value.trim(), room = this.#room;
    if (written === "" || !room?.room) return;
    const action = /^\/me\s+([^]+)/.exec(written);
    this.#text.value = "";
    this.#fit();
    room.sayings.say(room.room, action ? action[1] : written, action ? "action" : "message");
    this.#log.goToEnd();
  }

  #editLast(event) {
    const failed = this.#room?.sayings.list.findLast(({ state }) => state === "failed");
    if (!failed) return;
    event.preventDefault();
    this.#edit(failed);
  }

  #edit(saying) {
    const text = saying.type === "action" ? `/me ${saying.text}` : saying.text;
    this.#text.value = this.#text.value === "" ? text : `${text}\n${this.#text.value}`;
    this.#room.sayings.drop(saying);
    this.#fit();
    this.focus();
    this.#text.setSelectionRange(text.length, text.length);
  }

  // ---- what is on its way

  /** Something has changed in the room. */
  update() {
    const list = this.#room?.sayings.list.filter(({ isShown }) => !isShown) ?? [];
    for (const [saying, { node, state }] of this.#nodes) {
      if (list.includes(saying) && state === saying.state) continue;
      if (node.contains(document.activeElement)) this.focus();
      node.remove();
      this.#nodes.delete(saying);
    }
    for (const saying of list) {
      if (!this.#nodes.has(saying)) this.#add(saying);
    }
  }

  #add(saying) {
    const node = saying.state === "failed" ? this.#makeFailed(saying) : this.#makeSending(saying);
    this.#nodes.set(saying, { node, state: saying.state });
    this.#list.append(node);
  }

  #makeSending({ text }) {
    return make("li.message.is-sending", {}, make("span.sr", {}, "On its way:"), ...makeText(text));
  }

  #makeFailed(saying) {
    const { sayings, room } = this.#room;
    return make("li.message.is-first.is-failed", {},
      makeAvatar(document.getElementById("me-name").textContent),
      ...makeText(saying.text),
      make("p.reason", { role: "alert" }, saying.reason),
      make("div.choices", {},
        make("button.small", { type: "button", click: () => this.#edit(saying) }, "Edit"),
        make("button.small", { type: "button", click: () => sayings.retry(room, saying) }, "Try again"),
        make("button.small", { type: "button", click: () => sayings.drop(saying) }, "Discard")));
  }

  updateTyping() {
    const text = nameTypists(this.#room?.typists() ?? []);
    if (this.#typing.textContent !== text) this.#typing.textContent = text;
  }
}
