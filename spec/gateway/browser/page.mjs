// Chromium with the chat page, and what the tests ask of it.
import { existsSync } from "node:fs";
import { require } from "./host.mjs";

const { chromium } = require("playwright-core");
const PROGRAM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"];

export function startBrowser(...flags) {
  if (!PROGRAM) throw new Error("no chromium on this machine");
  return chromium.launch({ executablePath: PROGRAM, args: [...FLAGS, ...flags] });
}

/** One user's page, in a browser profile of his own. Its errors are kept in `page.troubles`. */
export class Page {
  troubles = [];

  /** @param {object} [settings] of playwright's contexts, and `room`, where it begins */
  static async open(browser, url, user, { room, ...settings } = {}) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, locale: "en-GB", ...settings });
    const self = new Page();
    self.page = await context.newPage();
    self.page.setDefaultTimeout(30_000);
    self.page.on("pageerror", (error) => self.troubles.push(String(error.stack)));
    self.page.on("console", (message) => {
      const isOfNetwork = /WebSocket connection|Failed to load resource/.test(message.text());
      if (message.type() === "error" && !isOfNetwork) self.troubles.push(message.text());
    });
    await self.page.goto(room ? `${url}#room=${room}` : url);
    if (user) await self.signIn(user);
    return self;
  }

  async signIn(user) {
    await this.page.getByLabel("Your name").fill(user);
    await this.page.keyboard.press("Enter");
    await this.waitForLink("open");
    await this.page.waitForSelector("#people-list .person", { state: "attached" });
  }

  waitForLink(state) {
    return this.page.waitForSelector(`#link[data-state="${state}"]`);
  }

  async say(text) {
    await this.page.locator("#text").fill(text);
    await this.page.locator("#text").press("Enter");
  }

  /** Awaits a message with that text, whole. */
  waitForMessage(text) {
    return this.page.waitForFunction((wanted) => [...document.querySelectorAll("#messages .text")]
      .some(({ textContent }) => textContent === wanted), text);
  }

  texts() {
    return this.page.$$eval("#messages .text", (boxes) => boxes.map(({ textContent }) => textContent));
  }

  evaluate(fn, argument) {
    return this.page.evaluate(fn, argument);
  }

  close() {
    return this.page.context().close();
  }
}
