// Who the user is: a name that he gives, or a token: of the address's fragment, or pasted.
import { kept } from "./chat-shell.js";

const byId = (id) => document.getElementById(id);

/** The fragment's fields. The token is taken off the address, and so out of the history. */
export function readFragment() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const found = Object.fromEntries(fields);
  if ("token" in found) {
    fields.delete("token");
    history.replaceState(null, "", fields.size > 0 ? `#${fields}` : location.pathname + location.search);
  }
  return found;
}

export function writeRoom(name) {
  history.replaceState(null, "", name ? `#${new URLSearchParams({ room: name })}` : location.pathname + location.search);
}

/**
 * Asks who the user is: by a name; and by a token, once a name alone was not enough.
 * @param {{ error?: string, needsToken?: boolean }} [why] what was wrong with the last answer
 * @returns {Promise<{ user?: string, token?: string }>}
 */
export function askWho({ error = "", needsToken = false } = {}) {
  const dialog = byId("sign-in"), form = byId("sign-in-form");
  const name = byId("name"), token = byId("token"), notice = byId("sign-in-error");
  byId("token-field").hidden = !needsToken;
  name.value ||= kept.get("user", "");
  notice.textContent = error;
  if (!dialog.open) dialog.showModal();
  (needsToken ? token : name).focus();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault(); // there is nothing behind it
    form.onsubmit = (event) => {
      event.preventDefault();
      const user = name.value.trim(), given = token.value.trim();
      if (!user && !given) {
        notice.textContent = needsToken ? "A token is needed" : "A name is needed";
        return;
      }
      dialog.close();
      token.value = "";
      resolve({ user: user || undefined, token: given || undefined });
    };
  });
}

export const who = {
  /** As in this tab before. */
  recall: () => kept.get("who", null, "sessionStorage"),
  keep(given) {
    kept.set("who", given, "sessionStorage");
    if (given.user) kept.set("user", given.user);
  },
  forget: () => kept.set("who", undefined, "sessionStorage"),
};
