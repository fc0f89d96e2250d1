// The frame: drawers, theme, help, the state of the connection, shortcuts, what is kept in the
// browser.

const byId = (id) => document.getElementById(id);

// ---- what is kept -----------------------------------------------------------------------------

/** JSON in localStorage, or, for this tab alone, sessionStorage. Storage may be forbidden. */
export const kept = {
  get(name, otherwise, storage = "localStorage") {
    try {
      return JSON.parse(globalThis[storage].getItem(`moonpool.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value, storage = "localStorage") {
    try {
      if (value === undefined) globalThis[storage].removeItem(`moonpool.${name}`);
      else globalThis[storage].setItem(`moonpool.${name}`, JSON.stringify(value));
    } catch {
      // Then it lasts as long as the page.
    }
  },
};

// ---- theme ------------------------------------------------------------------------------------

const THEMES = { "": ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

function setTheme(theme) {
  const [sign, name] = THEMES[theme];
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = sign;
  byId("theme").setAttribute("aria-label", `Theme: ${name}`);
  byId("theme").title = `Theme: ${name}`;
}

export function startTheme() {
  const names = Object.keys(THEMES);
  let theme = document.documentElement.dataset.theme ?? "";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    setTheme(theme);
    try { // not as JSON: theme.js reads it
      localStorage.setItem("moonpool.theme", theme);
    } catch {
      // Then it lasts as long as the page.
    }
  });
}

// ---- drawers ----------------------------------------------------------------------------------

/** A side that is a drawer where the window is narrow: out of reach while it is closed. */
class Drawer {
  #side; #button; #query;

  constructor(side, button, query, onChange) {
    this.#side = byId(side);
    this.#button = byId(button);
    this.#query = matchMedia(query);
    this.#query.addEventListener("change", () => this.close());
    this.#button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    this.#side.querySelector(".close-drawer").addEventListener("click", () => this.close());
    this.onChange = onChange;
    this.close();
  }

  get isOpen() {
    return this.#side.classList.contains("is-open");
  }

  get isDrawer() {
    return this.#query.matches;
  }

  open() {
    this.#set(true);
    this.#side.querySelector(".close-drawer").focus();
  }

  close() {
    const hadFocus = this.#side.contains(document.activeElement) && this.isOpen;
    this.#set(false);
    if (hadFocus) this.#button.focus();
  }

  #set(isOpen) {
    this.#side.classList.toggle("is-open", isOpen && this.isDrawer);
    this.#side.inert = this.isDrawer && !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen && this.isDrawer));
    this.onChange?.();
  }
}

export function startDrawers() {
  const drawers = [];
  const onChange = () => {
    const isOpen = drawers.some((drawer) => drawer.isOpen);
    byId("backdrop").hidden = !isOpen;
    byId("main").inert = isOpen;
  };
  drawers.push(new Drawer("rooms", "rooms-open", "(max-width: 44rem)", onChange),
    new Drawer("people", "people-open", "(max-width: 62rem)", onChange));
  const close = () => {
    const open = drawers.find((drawer) => drawer.isOpen);
    open?.close();
    return Boolean(open);
  };
  byId("backdrop").addEventListener("click", close);
  return { close, openRooms: () => drawers[0].isDrawer && drawers[0].open() };
}

// ---- the connection's state ---------------------------------------------------------------------

const STATES = { open: "Connected", connecting: "Connecting…", waiting: "Connection lost", closed: "Signed out" };

/** @param {() => void} onNow the user does not want to wait */
export function startLinkState(onNow) {
  let timer = 0, until = 0;
  byId("link-now").addEventListener("click", onNow);
  const count = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    byId("link-wait").textContent = seconds > 0 ? `again in ${seconds} s` : "";
  };
  return ({ state, delay, attempt }) => {
    clearInterval(timer);
    const isBack = state === "connecting" && attempt > 0; // no flicker between two attempts
    byId("link").dataset.state = isBack ? "waiting" : state;
    const text = isBack ? STATES.waiting : STATES[state];
    if (byId("link-text").textContent !== text) byId("link-text").textContent = text;
    byId("link-wait").textContent = "";
    byId("link-now").hidden = state !== "waiting" || delay < 1500;
    if (state !== "waiting") return;
    until = Date.now() + delay;
    count();
    timer = setInterval(count, 1000);
  };
}

// ---- keys -------------------------------------------------------------------------------------

/**
 * @param {{ onEscape: () => void, onRooms: () => void, onStep: (by: number) => void }} hooks
 */
export function startKeys({ onEscape, onRooms, onStep }) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const isAlone = !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (event.key === "Escape") {
      onEscape();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      onRooms();
    } else if (event.altKey && isAlone && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      onStep(event.key === "ArrowUp" ? -1 : 1);
    }
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("text").focus();
  });
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
}
