// The chat page in a browser, against a real host: its gateway, a bot, a policy.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { Host, sign, until } from "./host.mjs";
import { Page, startBrowser } from "./page.mjs";

let host, browser;
const pages = [];
before(async () => {
  host = await Host.start();
  browser = await startBrowser();
});
afterEach(async () => {
  const troubles = pages.flatMap((page) => page.troubles);
  await Promise.all(pages.splice(0).map((page) => page.close()));
  assert.deepEqual(troubles, [], "the pages' own errors");
});
after(async () => {
  await browser?.close();
  await host?.stop();
});

async function visit(url) {
  const page = await Page.open(browser, url);
  pages.push(page);
  return page;
}

async function enter(user, room, settings) {
  const page = await Page.open(browser, host.url, user, { room, ...settings });
  pages.push(page);
  return page;
}

const numbered = (count, word) => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);

/** What is on screen in the log, of the texts given. */
const isOnScreen = (page, text) => page.evaluate((wanted) => {
  const log = document.getElementById("log").getBoundingClientRect();
  const box = [...document.querySelectorAll("#messages .text")].find(({ textContent }) => textContent === wanted);
  const { top, bottom } = box?.getBoundingClientRect() ?? { top: -1, bottom: -1 };
  return top >= log.top - 1 && bottom <= log.bottom + 1;
}, text);

test("two users talk, a bot answers", async () => {
  const ann = await enter("ann", "galley"), bob = await enter("bob", "galley");
  await ann.page.waitForFunction(() => document.querySelectorAll("#people-list .person").length === 2);
  await ann.say("Hello Bob!");
  await bob.waitForMessage("Hello Bob!");
  await bob.page.locator("#text").pressSequentially("Ho");
  await ann.page.getByText("bob is typing…").waitFor();
  await bob.say("/me waves");
  await ann.waitForMessage("bob waves");
  assert.equal(await ann.page.locator("#typing").textContent(), "");
  await ann.say("!echo ahoy there");
  await Promise.all([ann, bob].map((page) => page.waitForMessage("echo: ahoy there")));
  assert.deepEqual(await ann.texts(), await bob.texts());
  await until(async () => await ann.page.locator("#sayings li").count() === 0, "nothing is on its way");
  await bob.close();
  pages.pop();
  await ann.page.waitForFunction(() => document.querySelectorAll("#people-list .person").length === 1);
});

test("a policy's reason is on screen, beside the text, which is not lost", async () => {
  const ann = await enter("ann", "parlour");
  await ann.say("this is BAD");
  const failed = ann.page.locator("#sayings .is-failed");
  await failed.waitFor();
  assert.equal(await failed.getByRole("alert").textContent(), "Rejected: no shouting of <b>BAD</b>, ann");
  assert.equal(await failed.locator(".text").textContent(), "this is BAD");
  assert.deepEqual(await ann.texts(), []);
  await failed.getByRole("button", { name: "Edit" }).click();
  assert.equal(await ann.page.locator("#text").inputValue(), "this is BAD");
  assert.equal(await failed.count(), 0);
  await ann.say("this is good");
  await ann.waitForMessage("this is good");
  await ann.say("more BAD");
  await failed.getByRole("button", { name: "Discard" }).click();
  assert.equal(await failed.count(), 0);
  await ann.page.getByLabel("Find or open a room").fill("cellar");
  await ann.page.keyboard.press("Enter");
  await ann.page.getByText("cellar: the cellar is closed").waitFor();
  assert.equal(await ann.page.locator("#title-name").textContent(), "parlour");
});

test("history comes as it is scrolled to, at the place of the reader", async () => {
  host.say("archive", "zoe", numbered(500, "line"));
  const ann = await enter("ann", "archive");
  await ann.waitForMessage("line 500");
  assert.ok(await isOnScreen(ann, "line 500"));
  assert.equal((await ann.texts()).length, 60);
  const scrollUp = () => ann.evaluate(async () => {
    const log = document.getElementById("log");
    const first = document.querySelector("#messages .message:nth-child(5)");
    log.scrollTop += first.getBoundingClientRect().top - log.getBoundingClientRect().top;
    const before = first.getBoundingClientRect().top, text = first.querySelector(".text").textContent;
    const count = document.querySelectorAll("#messages li").length;
    const oldest = document.querySelector("#messages .text").textContent;
    log.scrollTop -= 1;
    for (let i = 0; i < 500; i++) {
      await new Promise((resolve) => { setTimeout(resolve, 10); });
      if (document.querySelector("#messages .text").textContent !== oldest) break;
    }
    const again = [...document.querySelectorAll("#messages .text")].find((box) => box.textContent === text).parentElement;
    return { moved: again.getBoundingClientRect().top - before, grew: document.querySelectorAll("#messages li").length - count };
  });
  const { moved, grew } = await scrollUp();
  assert.ok(Math.abs(moved) <= 2, `moved by ${moved}`);
  assert.equal(grew, 60);
  for (let i = 0; i < 20 && (await ann.texts())[0] !== "line 1"; i++) await scrollUp();
  assert.equal((await ann.texts())[0], "line 1");
  const texts = await ann.texts();
  assert.ok(texts.length <= 360, `${texts.length} nodes`);
  assert.deepEqual(texts, numbered(500, "line").slice(0, texts.length));
  host.say("archive", "zoe", ["while you read"]);
  const jump = ann.page.getByRole("button", { name: /1 new message.*go to the newest/ });
  await jump.click();
  await ann.waitForMessage("while you read");
  assert.ok(await isOnScreen(ann, "while you read"));
});

test("the window goes down again through the history, to what is said now", async () => {
  host.say("stairs", "zoe", numbered(450, "step"));
  const ann = await enter("ann", "stairs");
  await ann.waitForMessage("step 450");
  const goTo = async (end, text) => {
    for (let i = 0; i < 100; i++) {
      await ann.evaluate((to) => { const log = document.getElementById("log"); log.scrollTop = to === "top" ? 0 : log.scrollHeight; }, end);
      if ((await ann.texts()).includes(text)) return;
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    assert.fail(`${text} was not reached`);
  };
  await goTo("top", "step 1");
  assert.ok(!(await ann.texts()).includes("step 450"));
  await goTo("bottom", "step 450");
  host.say("stairs", "zoe", ["landing"]);
  await goTo("bottom", "landing");
  const texts = await ann.texts();
  assert.deepEqual(texts, [...numbered(450, "step"), "landing"].slice(-texts.length));
});

test("both pages catch up when the gateway is killed and started again", async () => {
  const ann = await enter("ann", "harbour"), bob = await enter("bob", "harbour");
  await ann.say("before");
  await bob.waitForMessage("before");
  await host.kill();
  await Promise.all([ann, bob].map((page) => page.waitForLink("waiting")));
  await ann.page.getByText("Connection lost").waitFor();
  await ann.say("said in the dark");
  host.say("harbour", "zoe", numbered(5, "meanwhile"));
  await host.restart();
  await Promise.all([ann, bob].map((page) => page.waitForLink("open")));
  await Promise.all([ann, bob].map((page) => page.waitForMessage("said in the dark")));
  await bob.say("after");
  await Promise.all([ann, bob].map((page) => page.waitForMessage("after")));
  const expected = ["before", ...numbered(5, "meanwhile"), "said in the dark", "after"];
  assert.deepEqual(await ann.texts(), expected);
  assert.deepEqual(await bob.texts(), expected);
  await until(async () => await ann.page.locator("#sayings li").count() === 0, "nothing is on its way");
  assert.equal(await ann.page.locator(".gap").count(), 0);
});

test("what is missing is told where it is missing", async () => {
  const ann = await enter("ann", "short"); // in which nothing was said yet
  await host.kill();
  host.say("short", "zoe", numbered(15, "missed"));
  host.redis("XTRIM", "{room:short}:log", "MAXLEN", "3");
  await host.restart();
  await ann.waitForMessage("missed 15");
  const items = await ann.page.$$eval("#messages > li", (list) => list.map((item) => (item.matches(".gap")
    ? item.textContent : item.querySelector(".text").textContent)));
  assert.deepEqual(items, ["12 messages are missing: the room does not keep them any more", "missed 13", "missed 14", "missed 15"]);
});

test("rooms tell what is unread, and the page comes back where it was", async () => {
  const ann = await enter("ann", "north"), { page } = ann;
  await page.getByLabel("Find or open a room").fill("south");
  await page.keyboard.press("Enter");
  await page.locator("#title-name", { hasText: "south" }).waitFor();
  await page.locator("#people-list .person").waitFor();
  await page.locator("#text").fill("a draft");
  host.say("north", "zoe", ["one", "two"]);
  await page.getByRole("button", { name: "north 2 unread" }).waitFor();
  assert.match(await page.title(), /^\(2\) south/);
  await page.getByRole("button", { name: "north 2 unread" }).click();
  await ann.waitForMessage("two");
  assert.equal(await page.locator(".new").count(), 1);
  await page.waitForFunction(() => document.title.startsWith("north"));
  await page.keyboard.press("Alt+ArrowDown");
  assert.equal(await page.locator("#text").inputValue(), "a draft");
  await page.reload();
  await page.locator("#title-name", { hasText: "south" }).waitFor();
  await page.getByRole("button", { name: "north", exact: true }).click();
  await ann.waitForMessage("two");
  await page.getByRole("button", { name: "Leave south" }).click();
  await page.getByRole("button", { name: "Leave south" }).waitFor({ state: "detached" });
});

test("texts stay texts", async () => {
  const ann = await enter("ann", "texts");
  const texts = ["<img src=x onerror=alert(1)><script>alert(1)</script>", "javascript:alert(1) data:text/html,x",
    "see https://example.org/a_(b)?x=<y>. Or (http://example.com).", "שלום עולם", "👩‍👩‍👧‍👦 é".repeat(20), "x".repeat(3000),
    "\u202eevil\u202c https://example.net/\u202etxt.exe", "https://"];
  for (const text of texts) {
    await ann.say(text);
    await ann.waitForMessage(text);
  }
  assert.deepEqual(await ann.texts(), texts);
  const found = await ann.evaluate(() => ({
    elements: document.querySelectorAll("#messages img, #messages script").length,
    links: [...document.querySelectorAll("#messages a")].map(({ href, rel, target }) => [href, /noopener/.test(rel), target]),
    isWide: document.documentElement.scrollWidth > innerWidth || document.getElementById("log").scrollWidth > document.getElementById("log").clientWidth,
  }));
  assert.equal(found.elements, 0);
  assert.deepEqual(found.links, ["https://example.org/a_(b)?x=", "http://example.com/", "https://example.net/"].map((href) => [href, true, "_blank"]));
  assert.equal(found.isWide, false);
  const long = ann.page.locator(".is-long");
  await long.getByRole("button", { name: "Show all" }).click();
  assert.equal(await long.count(), 0);
});

test("a message that is deleted goes", async () => {
  const ann = await enter("ann", "slate");
  await ann.say("to be gone");
  await ann.say("to stay");
  await ann.waitForMessage("to stay");
  const id = await ann.page.locator(".message", { hasText: "to be gone" }).getAttribute("data-id");
  host.run("delete", "slate", id, "--as", "zoe");
  await until(async () => !(await ann.texts()).includes("to be gone"), "it is gone");
  assert.deepEqual(await ann.texts(), ["to stay"]);
});

test("a page of another site imports moonpool.js, if its origin is listed", async () => {
  let gateway;
  const site = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><ol></ol><script type="module">
      import { connect } from "${gateway.url}moonpool.js";
      const client = connect(undefined, { user: "guest" });
      const room = await client.join("galley");
      room.on("message", ({ text }) => { document.querySelector("ol").append(text); });
      await room.say("from elsewhere");
    </script>`);
  });
  await new Promise((resolve) => { site.listen(0, "127.0.0.1", resolve); });
  const address = `http://127.0.0.1:${site.address().port}`;
  gateway = await Host.start({ origins: [address] });
  try {
    const { page } = await visit(`${address}/`);
    await page.getByText("from elsewhere").waitFor();
    const stranger = await visit(`http://localhost:${site.address().port}/`);
    const refused = await stranger.page.waitForEvent("console", (message) => /WebSocket connection/.test(message.text()));
    assert.match(refused.text(), /403/);
  } finally {
    site.closeAllConnections();
    site.close();
    await gateway.stop();
  }
});

test("a gateway that wants a token is given it by the address, or asks for it", async () => {
  const secret = "0123456789abcdef0123456789abcdef", gateway = await Host.start({ secret });
  const token = sign(secret, { sub: "lea", rooms: ["vip-*"], exp: Math.floor(Date.now() / 1000) + 600 });
  try {
    const { page } = await visit(`${gateway.url}#token=${token}&room=vip-bar`);
    await page.locator("#people-list .person", { hasText: "lea" }).waitFor();
    assert.equal(page.url(), `${gateway.url}#room=vip-bar`);
    await page.reload();
    await page.locator("#people-list .person", { hasText: "lea" }).waitFor();
    await page.getByLabel("Find or open a room").fill("elsewhere");
    await page.keyboard.press("Enter");
    await page.locator("#join-error", { hasText: "elsewhere: " }).waitFor();
    const other = (await visit(`${gateway.url}#room=vip-bar`)).page;
    await other.getByLabel("Your name").fill("lea");
    await other.keyboard.press("Enter");
    await other.getByText("a token is needed").waitFor();
    await other.getByLabel("Token").fill(token);
    await other.keyboard.press("Enter");
    await other.locator("#people-list .person", { hasText: "×2" }).waitFor();
  } finally {
    await gateway.stop();
  }
});

test("signing out asks for a name again, and a name is needed", async () => {
  const ann = await enter("ann", "exit"), { page } = ann;
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("dialog").waitFor();
  await page.getByLabel("Your name").fill("  ");
  await page.keyboard.press("Enter");
  await page.getByText("A name is needed").waitFor();
  await page.getByLabel("Your name").fill("amy");
  await page.keyboard.press("Enter");
  await page.locator("#me-name", { hasText: "amy" }).waitFor();
});
