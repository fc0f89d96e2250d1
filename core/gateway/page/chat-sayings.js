// What the user says in a room, from the key that sends it until it is among the messages. What
// could not be said stays, with the reason, until he edits, repeats or drops it.

/**
 * @typedef {object} Saying
 * @property {string} text
 * @property {"message" | "action"} type
 * @property {"sending" | "failed"} state
 * @property {boolean} isShown it is among the messages already; only the answer is awaited
 * @property {string} [id]
 * @property {string} [reason]
 * @property {string} [key] by which it is said once, however often it is repeated
 */

const LINGER = 2_000; // ms: answered, but not heard of in the room
const WORDS = {
  EREJECTED: "Rejected", EPERM: "Not allowed", ETOOBIG: "Too long", EAUTH: "Not signed in",
};

export class Sayings {
  /** @type {Saying[]} */ list = [];
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** @param {import("./moonpool.js").Room} room */
  say(room, text, type = "message") {
    const saying = { text, type, state: "sending", isShown: false };
    this.list.push(saying);
    this.#send(room, saying);
  }

  retry(room, saying) {
    saying.state = "sending";
    this.#send(room, saying);
  }

  async #send(room, saying) {
    this.#onChange();
    try {
      saying.id = await room.say(saying.text, { type: saying.type, key: saying.key });
      if (saying.isShown) this.drop(saying);
      else setTimeout(() => this.drop(saying), LINGER);
    } catch (error) {
      Object.assign(saying, { state: "failed", isShown: false, key: error.key });
      saying.reason = `${WORDS[error.code] ?? "Not sent"}: ${error.reason}`;
      this.#onChange();
    }
  }

  drop(saying) {
    const at = this.list.indexOf(saying);
    if (at < 0) return;
    this.list.splice(at, 1);
    this.#onChange();
  }

  /** The user's own message has come: by its id, or before the answer with the id, by its text. */
  onMessage({ id, text, type }) {
    const isIt = (saying) => saying.id === id;
    const isLike = (saying) => !saying.id && !saying.isShown && saying.state === "sending" &&
      saying.text === text && saying.type === type;
    const answered = this.list.find(isIt), sent = this.list.find(isLike);
    if (answered) this.drop(answered);
    else if (sent) sent.isShown = true;
  }
}
