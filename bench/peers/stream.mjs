// What the Node peers share: the stream's names, addresses, the clients' module folder, the marks.
// The names must be those of peer.h and lib/stream.lua.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import process from "node:process";

// BENCH_NODE is the folder whose node_modules holds the clients.
export const load = createRequire(`${process.env.BENCH_NODE}/package.json`);

export const names = (count) =>
  Array.from({ length: count }, (_, i) => `room:${String(i).padStart(6, "0")}`);

// "/path" of a Unix socket, or "host:port"; with TLS, as ioredis is told, when the environment names
// a CA to trust.
export const parse_address = (address) => {
  if (address.startsWith("/")) return { path: address };
  const colon = address.lastIndexOf(":");
  const place = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  if (!process.env.BENCH_TLS_CA) return place;
  const ca = readFileSync(process.env.BENCH_TLS_CA);
  return { ...place, tls: { ca } };
};

// Tells the harness that every channel is confirmed, and what this is. `name` is the module's own,
// `installed` the one it is installed under.
export const ready = (name, installed) => {
  const { version } = load(`${installed}/package.json`);
  console.log(`ready ${process.pid} ${name} ${version}, Node ${process.versions.node}`);
};

export const cpu_ns = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

export const wall_ns = () => Number(process.hrtime.bigint());

export const fail = (message) => {
  console.error(message);
  process.exit(1);
};

// Counts messages and prints what the harness reads. `received` is called with every message.
export const make_counter = (warmup, messages) => {
  let count = 0;
  let next_mark = warmup;
  let cpu = 0;
  let wall = 0;

  const reached = (payload) => {
    if (count === warmup) {
      cpu = cpu_ns();
      wall = wall_ns();
      next_mark = warmup + messages;
    } else if (count === warmup + messages) {
      cpu = cpu_ns() - cpu;
      wall = wall_ns() - wall;
      next_mark = count + 1;
    } else if (payload === "end") {
      console.log(`result ${messages} ${cpu} ${wall}`);
      process.exit(0);
    } else {
      fail("more messages than were expected");
    }
  };

  return (payload) => {
    if (++count === next_mark) reached(payload);
  };
};
