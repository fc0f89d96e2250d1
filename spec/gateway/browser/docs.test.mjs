// The module that docs/gateway.md shows, as it stands there, in a page of somebody else's: Chromium is told where the
// host of its address is, which has TLS and asks for tokens.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Host, sign, until } from "./host.mjs";
import { startBrowser } from "./page.mjs";

const SECRET = "0123456789abcdef0123456789abcdef";
const BLOCK = /\n```js\n(.*?)\n```/s.exec(readFileSync("docs/gateway.md", "utf8"))[1];
const NAME = new URL(/from "([^"]*)"/.exec(BLOCK)[1]).hostname;

let host, browser, site, origin, script;
before(async () => {
  site = createServer(({ url }, response) => {
    const claims = { sub: "ann", rooms: ["chatty"], exp: Math.floor(Date.now() / 1000) + 600 };
    const [type, body] = url === "/my/token" ? ["text/plain", sign(SECRET, claims)]
      : url === "/script.js" ? ["text/javascript", script]
      : ["text/html", "<!doctype html><link rel=icon href=data:,><script type=module src=/script.js></script>"];
    response.writeHead(200, { "content-type": type }).end(body);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${site.address().port}`;
  host = await Host.start({ secret: SECRET, origins: [origin], tls: NAME });
  browser = await startBrowser(`--host-resolver-rules=MAP ${NAME}:443 127.0.0.1:${host.port}`);
});
after(async () => {
  await browser?.close();
  await host?.stop();
  site?.close();
});

/** What that module writes to the console, its errors among it, until `last` matches a line. */
async function run(source, last) {
  script = source;
  const lines = [];
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.on("console", (message) => lines.push(message.text()));
  page.on("pageerror", (error) => lines.push(String(error)));
  await page.goto(`${origin}/`);
  await until(() => lines.some((line) => last.test(line)), `${last} in ${lines.join("\n")}`).finally(() => context.close());
  return lines;
}

test("docs/gateway.md: its module hears what it says, and what others have said and say", async () => {
  host.say("chatty", "bob", ["before"]);
  const lines = await run(BLOCK, / ann Hello there!$/);
  assert.deepEqual(lines.map((line) => line.replace(/^.*\) /, "")), ["open", "bob before", "ann Hello there!"]);
  const time = Date.parse(lines[1].replace(/\(.*$/, ""));
  assert.ok(Math.abs(Date.now() - time) < 60_000, lines[1]);
});

test("docs/gateway.md: its module reads why a policy has refused a text", async () => {
  const lines = await run(BLOCK.replace("Hello there!", "BAD"), /^EREJECTED/);
  assert.equal(lines.at(-1), "EREJECTED no shouting of <b>BAD</b>, ann");
});

test("docs/gateway.md: a module with a name that is not there is noticed", async () => {
  const lines = await run(BLOCK.replace("client.join", "client.enter"), /Error/);
  assert.match(lines.at(-1), /client\.enter is not a function/);
});
