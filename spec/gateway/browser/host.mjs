// A host with its gateway, beside a Redis of its own, in a folder that goes with it.
import { spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ROOT = process.cwd();
const SECONDS = 30; // until something is taken to have failed, on a machine that is busy
const BOT = `
bot:command("echo", function(message, args) message:reply("echo: " .. args.text) end)
`;
const POLICY = `
policy:on("publish", function(request)
  if request.text:find "BAD" then return policy.reject("no shouting of <b>BAD</b>, " .. request.user) end
  if #request.text > 12 and request.text:find "%u" and request.text == request.text:upper() then
    return policy.reject "please do not shout"
  end
  if request.text == "rewrite me" then return policy.rewrite "rewritten" end
end)
policy:on("subscribe", function(request)
  if request.room == "cellar" then return policy.reject "the cellar is closed" end
end)
`;

export const require = createRequire(`${process.env.BROWSER_NODE}/`);
export const { connect, MoonpoolError } = await import(`${process.env.BROWSER_NODE}/moonpool.mjs`);
export const WebSocket = require("ws");

/** Awaits that `condition` gives something true, and answers it; `what` is what is awaited. */
export async function until(condition, what) {
  const deadline = Date.now() + SECONDS * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${SECONDS} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${SECONDS} s: ${what}`)), SECONDS * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts a program, and awaits the line of its output that the pattern matches. */
async function start(command, args, pattern, options) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const output = [];
  const found = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        output.push(line);
        const match = pattern.exec(line);
        if (match) resolve(match);
      });
    }
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      reject(new Error(`${command} ended (${code ?? signal}):\n${output.join("\n")}`));
    });
  });
  try {
    return { child, match: await within(found, `${command}: ${pattern}`), output };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

async function end(child, signal) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await within(once(child, "exit"), `the end of ${child.spawnfile}`);
}

export class Host {
  #folder = mkdtempSync(join(tmpdir(), "moonpool-browser-"));
  #redis; #moonpool; #args;
  port = 0;

  /**
   * @param {{ secret?: string, origins?: string[], tls?: string }} [options] `secret` of HS256 tokens; `tls`: the name
   *   for which it has a certificate, by itself
   */
  static async start({ secret, origins, tls } = {}) {
    const host = new Host();
    host.#write("echo.lua", BOT);
    host.#write("calm.lua", POLICY);
    host.#args = [host.#path("echo.lua"), "--policy", host.#path("calm.lua"), "--control", host.#path("control")];
    const settings = [];
    if (origins) settings.push(`origins = { ${origins.map((origin) => `"${origin}"`).join(", ")} }`);
    if (tls) settings.push(`tls_cert = "${host.#certify(tls)}", tls_key = "${host.#path("key.pem")}"`);
    if (settings.length > 0) {
      host.#write("conf.lua", `gateway = { ${settings.join(", ")} }`);
      host.#args.push("--config", host.#path("conf.lua"));
    }
    if (secret) {
      host.#write("secret", secret);
      host.#args.push("--secret-file", host.#path("secret"));
    }
    try {
      await host.#start();
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  async #start() {
    const { child } = await start("redis-server", ["--port", "0", "--unixsocket", this.#path("redis"),
      "--save", "", "--appendonly", "no", "--dir", this.#folder], /ready to accept connections/i);
    this.#redis = child;
    await this.restart();
  }

  #path(name) {
    return join(this.#folder, name);
  }

  #write(name, text) {
    writeFileSync(this.#path(name), text, { mode: 0o600 });
  }

  #certify(name) {
    const done = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-keyout", this.#path("key.pem"), "-out", this.#path("cert.pem"), "-days", "2", "-subj", `/CN=${name}`,
      "-addext", `subjectAltName=DNS:${name}`]);
    if (done.status !== 0) throw new Error(`openssl: ${done.stderr}`);
    return this.#path("cert.pem");
  }

  get #redisUrl() {
    return `unix://${this.#path("redis")}`;
  }

  get #env() {
    const build = process.env.BROWSER_BUILD;
    return { ...process.env, LUA_PATH: `${ROOT}/lua/?.lua;${ROOT}/lua/?/init.lua;;`, LUA_CPATH: `${build}/lua/?.so;;` };
  }

  /** Where it serves. */
  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Where the port was. */
  async restart() {
    const started = await start("lua5.4", ["bin/moonpool", "run", "--redis", this.#redisUrl, "--listen",
      `127.0.0.1:${this.port}`, ...this.#args], /listening: 127\.0\.0\.1:(\d+)/, { cwd: ROOT, env: this.#env });
    this.#moonpool = started.child;
    this.port = Number(started.match[1]);
  }

  /** SIGKILL: the supervisor, and with it its worker. */
  async kill() {
    await end(this.#moonpool, "SIGKILL");
    const isOver = () => fetch(`${this.url}healthz`).then(() => false, () => true);
    await until(isOver, "nobody listens any more");
  }

  /** SIGKILL to the process that serves; its supervisor starts another one. */
  killWorker() {
    const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(this.#moonpool.pid)]);
    const pids = String(stdout).trim().split(/\s+/).map(Number);
    if (!pids[0]) throw new Error("there is no worker");
    for (const pid of pids) process.kill(pid, "SIGKILL");
  }

  /** The program, past the gateway. */
  run(command, ...args) {
    return this.#run([command, ...args], "");
  }

  /** Lines said past the gateway. */
  say(room, user, lines) {
    this.#run(["say", room, "--as", user], `${lines.join("\n")}\n`);
  }

  #run(args, input) {
    const all = ["bin/moonpool", ...args, "--redis", this.#redisUrl];
    const done = spawnSync("lua5.4", all, { cwd: ROOT, env: this.#env, input });
    if (done.status !== 0) throw new Error(`${args.join(" ")}: ${done.stderr}`);
    return String(done.stdout);
  }

  redis(...command) {
    const done = spawnSync("redis-cli", ["-s", this.#path("redis"), ...command.map(String)]);
    if (done.status !== 0) throw new Error(`redis-cli ${command[0]}: ${done.stderr}`);
    return String(done.stdout).trim();
  }

  async stop() {
    await end(this.#moonpool, "SIGTERM");
    await end(this.#redis, "SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** An HS256 token (RFC 7519). */
export function sign(secret, claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
