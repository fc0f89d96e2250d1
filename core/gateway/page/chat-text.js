// Texts, times and names as nodes. Nothing here, or elsewhere in the page, makes markup of a text.

/**
 * Makes an element.
 * @param {string} tag "p.muted": a tag and its classes
 * @param {Record<string, unknown>} [attributes] null and false: none; a function: a listener
 * @param {...(Node | string | null | false)} children
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** One of eight colours, the same for a name everywhere. */
export function hueOf(name) {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return `hue-${(hash >>> 8) % 8}`;
}

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;

/** The first character as a reader sees it, which may be several code points. */
function initialOf(name) {
  const first = segmenter ? segmenter.segment(name)[Symbol.iterator]().next().value?.segment : [...name][0];
  return (first ?? "?").toLocaleUpperCase();
}

/** The circle beside a name: it says nothing that the name does not. */
export function makeAvatar(name) {
  return make(`span.avatar.${hueOf(name)}`, { "aria-hidden": "true" }, initialOf(name));
}

// ---- links ------------------------------------------------------------------------------------

const LINK = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;
const PAIRS = { ")": "(", "]": "[", "}": "{" };

/** What ends a sentence does not end a link; a bracket does, if it was opened inside. */
function cutLink(text) {
  for (;;) {
    const last = text.at(-1), opening = PAIRS[last];
    const isOpened = opening && text.split(opening).length >= text.split(last).length;
    if (!/[.,;:!?)\]}…]/u.test(last) || isOpened) return text;
    text = text.slice(0, -1);
  }
}

function parseLink(text) {
  try {
    const url = new URL(text);
    return url.hostname && (url.protocol === "http:" || url.protocol === "https:") ? url.href : null;
  } catch {
    return null;
  }
}

/** The text as nodes, in which http and https links can be followed. */
export function linkify(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = cutLink(match[0]), href = parseLink(shown);
    if (!href) continue;
    nodes.push(text.slice(from, match.index));
    nodes.push(make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, shown));
    from = match.index + shown.length;
  }
  nodes.push(text.slice(from));
  return nodes.filter((node) => node !== "");
}

// ---- times ------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const year = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export function makeTime(at, className) {
  const date = new Date(at);
  return make(`time${className ? `.${className}` : ""}`,
    { datetime: date.toISOString(), title: full.format(date) }, clock.format(date));
}

export function isSameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

export function nameDay(at) {
  const date = new Date(at), now = new Date();
  for (const ago of [0, 1]) {
    const other = new Date(now.getFullYear(), now.getMonth(), now.getDate() - ago);
    if (isSameDay(date, other)) {
      const name = relative.format(-ago, "day");
      return name.charAt(0).toLocaleUpperCase() + name.slice(1);
    }
  }
  return (date.getFullYear() === now.getFullYear() ? day : year).format(date);
}
