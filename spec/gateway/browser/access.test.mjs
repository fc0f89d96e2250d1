// The chat page by keyboard, for screen readers, on a phone, in both themes; and its pictures.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { findFaults } from "./access.mjs";
import { Host, until } from "./host.mjs";
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

async function enter(user, room, { from = host, ...settings } = {}) {
  const page = await Page.open(browser, from.url, user, { room, ...settings });
  pages.push(page);
  return page;
}

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** Something of everything that the page can show. */
async function furnish(page, room, from = host) {
  from.say(room, "Marlow", ["Good evening. Is the kettle on?", "I have brought the charts: https://example.org/charts (both of them)."]);
  from.say(room, "Nell", ["It is. Two minutes!"]);
  from.say(room, "Оксана", ["Добрий вечір!"]);
  from.say(room, "ليلى", ["مساء الخير للجميع"]);
  await page.waitForMessage("مساء الخير للجميع");
  await page.say("!echo Tide turns at nine");
  await page.waitForMessage("echo: Tide turns at nine");
  await page.say("CAN ANYBODY HEAR ME?");
  await page.page.locator(".is-failed").waitFor();
}

for (const colorScheme of ["light", "dark"]) {
  test(`names, contrast, sizes: ${colorScheme}`, async () => {
    const page = await enter(null, `look-${colorScheme}`, { colorScheme });
    assert.deepEqual(await page.evaluate(findFaults), [], "signing in");
    await page.signIn("Ann");
    await furnish(page, `look-${colorScheme}`);
    await page.page.getByLabel("Find or open a room").fill("cellar");
    await page.page.keyboard.press("Enter");
    await page.page.getByText("cellar: the cellar is closed").waitFor();
    await page.page.locator("#title-name", { hasText: "look" }).waitFor();
    assert.deepEqual(await page.evaluate(findFaults), [], "talking");
    await page.page.getByRole("button", { name: "Keyboard shortcuts" }).click();
    assert.deepEqual(await page.evaluate(findFaults), [], "help");
    await page.page.keyboard.press("Escape");
    await page.page.setViewportSize(PHONE.viewport);
    assert.deepEqual(await page.evaluate(findFaults), [], "narrow");
  });
}

test("what is wrong would be noticed", async () => {
  const { page } = await enter("Ann", "faults");
  await page.evaluate(() => {
    const button = document.createElement("button"), faint = document.createElement("p");
    button.id = "nameless";
    button.style.width = button.style.height = "10px";
    faint.textContent = "faint";
    faint.style.color = "rgb(200 200 200)";
    document.getElementById("main").append(button, faint);
  });
  const faults = await page.evaluate(findFaults);
  for (const pattern of [/^no name: <button #nameless>/, /^[\d.]+ x [\d.]+ pixels: <button #nameless>/, /^contrast 1\.\d+: .* "faint"/]) {
    assert.ok(faults.some((fault) => pattern.test(fault)), `${pattern}: ${faults.join("; ")}`);
  }
});

test("the theme is the system's, or the one that was chosen, also after a reload", async () => {
  const { page } = await enter("Ann", "themes", { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.getByRole("button", { name: "Theme: as the system" }).click();
  assert.equal(await ground(), light);
  await page.reload();
  await page.getByRole("button", { name: "Theme: light" }).click();
  await page.emulateMedia({ colorScheme: "light" });
  assert.equal(await ground(), dark);
});

test("everything can be done with the keyboard", async () => {
  const ann = await enter("Ann", "desk"), { page } = ann;
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  await until(async () => await focused() === "text", "the message box has the focus");
  await page.keyboard.type("first line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await ann.waitForMessage("first line\nsecond line");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("shelf");
  await page.keyboard.press("Enter");
  await page.locator("#title-name", { hasText: "shelf" }).waitFor();
  await until(async () => await focused() === "text", "the message box of the new room");
  await page.locator("#people-list .person").waitFor();
  await page.keyboard.press("Alt+ArrowUp");
  await page.locator("#title-name", { hasText: "desk" }).waitFor();
  await page.keyboard.type("this is BAD");
  await page.keyboard.press("Enter");
  await page.locator(".is-failed").waitFor();
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.locator("#text").inputValue(), "this is BAD");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  const order = [];
  for (let i = 0; i < 40 && order.at(-1) !== "people-scroll"; i++) {
    await page.keyboard.press("Tab");
    const now = await focused();
    if (now === "skip" || order.length > 0) order.push(now);
  }
  const places = ["skip", "join-name", "log", "text", "people-scroll"].map((id) => order.indexOf(id));
  assert.ok(places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1])), `${order.join(", ")}`);
  assert.ok(order.some((what) => what.startsWith("shelf")), "rooms are reached");
  await page.locator("#skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "text");
});

test("on a phone the sides are drawers, out of reach while they are closed", async () => {
  const { page } = await enter("Ann", "pocket", PHONE);
  const open = page.getByRole("button", { name: "Rooms", exact: true });
  assert.equal(await page.locator("#rooms").evaluate((side) => side.inert), true);
  await open.click();
  assert.equal(await open.getAttribute("aria-expanded"), "true");
  assert.equal(await page.locator("#main").evaluate((main) => main.inert), true);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#rooms").evaluate((side) => side.inert), true);
  assert.equal(await page.evaluate(() => document.activeElement.id), "rooms-open");
  await page.locator("#people-open").click();
  await page.locator("#people-list .person").waitFor();
  await page.mouse.click(10, 400);
  assert.equal(await page.locator("#people").evaluate((side) => side.inert), true);
});

test("what is new is read out, what is old is not", async () => {
  host.say("quiet", "Nell", Array.from({ length: 150 }, (_, i) => `old ${i}`));
  const ann = await enter("Ann", "quiet"), { page } = ann;
  await ann.waitForMessage("old 149");
  const live = () => page.locator("#log").getAttribute("aria-live");
  await until(async () => await live() === "polite", "news are read out");
  await page.evaluate(() => {
    const log = document.getElementById("log");
    globalThis.seen = [];
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) globalThis.seen.push([node.querySelector(".text")?.textContent, log.getAttribute("aria-live")]);
      }
    }).observe(document.getElementById("messages"), { childList: true });
  });
  await page.evaluate(() => { document.getElementById("log").scrollTop = 0; });
  await ann.waitForMessage("old 40");
  await until(async () => await live() === "polite", "it is as before");
  host.say("quiet", "Nell", ["news"]);
  await ann.waitForMessage("news");
  const seen = await page.evaluate(() => globalThis.seen);
  assert.ok(seen.filter(([text]) => text?.startsWith("old")).every(([, how]) => how === "off"), "history is quiet");
  assert.ok(seen.some(([text, how]) => text === "news" && how === "polite"), "news are not");
});

test("pictures for the documentation", async () => {
  const folder = process.env.BROWSER_IMAGES, from = await Host.start();
  try {
    from.say("engine", "Marlow", ["Oil changed."]);
    from.say("bridge", "Nell", ["Lights on the port side."]);
    const desk = await enter("Ann", "galley", { from, viewport: { width: 1100, height: 660 } });
    const nell = await enter("Nell", "galley", { from });
    await enter("Marlow", "galley", { from });
    await furnish(desk, "galley", from);
    await desk.page.getByLabel("Find or open a room").fill("bridge");
    await desk.page.keyboard.press("Enter");
    await desk.waitForMessage("Lights on the port side.");
    await desk.page.getByRole("button", { name: "galley", exact: true }).click();
    from.say("bridge", "Nell", ["All clear.", "Course 120."]);
    await desk.page.getByRole("button", { name: "bridge 2 unread" }).waitFor();
    await nell.page.locator("#text").pressSequentially("One s");
    await desk.page.getByText("Nell is typing…").waitFor();
    await desk.page.screenshot({ path: `${folder}/gateway-desktop.png` });
    const phone = await enter("Bob", "galley", { from, ...PHONE, colorScheme: "dark", deviceScaleFactor: 1 });
    await phone.waitForMessage("Добрий вечір!");
    await phone.page.setViewportSize({ width: 390, height: 660 });
    await phone.page.screenshot({ path: `${folder}/gateway-phone.png` });
  } finally {
    await from.stop();
  }
});
