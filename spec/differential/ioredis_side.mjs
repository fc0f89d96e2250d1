// Runs the steps with ioredis and writes each reply as a line of JSON (lib/normal.lua's tagged
// values). Replies are taken as bytes, numbers as text, so that nothing is lost on the way.
// usage: DIFFERENTIAL_NODE=DIR node ioredis_side.mjs STEPS SOCKET
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import process from "node:process";

const RECEIVE_MS = 10000;

process.noDeprecation = true; // execBuffer is deprecated, but exec gives no bytes

// DIFFERENTIAL_NODE is the folder whose node_modules holds ioredis.
const { Redis } = createRequire(resolve(process.env.DIFFERENTIAL_NODE, "package.json"))("ioredis");
const [steps_path, socket] = process.argv.slice(2);

const connect = () => {
  const redis = new Redis({ path: socket, stringNumbers: true, maxRetriesPerRequest: 0 });
  redis.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
  });
  return redis;
};

const replies = new Map(); // by name: what steps have saved
let messages = [];

const hex_of = (text) => Buffer.from(text, "utf8").toString("hex");

// Integers are strings, because of stringNumbers; strings are Buffers.
const tagged = (value) => {
  if (value === null) return ["n"];
  if (Buffer.isBuffer(value)) return ["s", value.toString("hex")];
  if (typeof value === "string") return ["i", value];
  if (value instanceof Error) return ["e", hex_of(value.message)];
  if (Array.isArray(value)) return ["a", value.map(tagged)];
  throw new Error(`no tag for ${typeof value} ${value}`);
};

const tagged_error = (error) => {
  if (error.name === "ReplyError") return ["e", hex_of(error.message)];
  return ["f", error.name, hex_of(error.message)];
};

const argument_of = ({ h, n, r }) => {
  if (h !== undefined) return Buffer.from(h, "hex");
  return r !== undefined ? replies.get(r) : n;
};

// A command's name must be a string; it is left in capitals, so that ioredis changes neither its
// arguments nor its reply.
const words_of = ([name, ...args]) =>
  [argument_of(name).toString("latin1"), ...args.map(argument_of)];

const pipeline = async (redis, commands) => {
  const batch = redis.pipeline();
  for (const command of commands) batch.callBuffer(...words_of(command));
  const results = await batch.exec();
  return ["a", results.map(([error, reply]) => tagged(error ?? reply))];
};

const transaction = async (redis, commands) => {
  const batch = redis.multi();
  for (const command of commands) batch.callBuffer(...words_of(command));
  try {
    const results = await batch.execBuffer();
    if (results === null) return ["n"];
    return ["a", results.map(([error, reply]) => tagged(error ?? reply))];
  } catch (error) {
    if (!error.message.startsWith("EXECABORT")) throw error;
    return ["a", [["s", hex_of("EXECABORT")], ["e", hex_of(error.previousErrors[0].message)]]];
  }
};

const optimistic = async (redis, step, other) => {
  await redis.watch(step.watch);
  if (step.conflict) await other.callBuffer(...words_of(step.conflict));
  return transaction(redis, step.transaction);
};

const receive = async (count) => {
  const deadline = Date.now() + RECEIVE_MS;
  while (messages.length < count && Date.now() < deadline) {
    await new Promise((wake) => setTimeout(wake, 5));
  }
  const taken = messages;
  messages = [];
  return tagged(taken);
};

const subscribe = async (subscriber, step) => {
  if (step.subscribe) await subscriber.subscribe(...step.subscribe);
  else if (step.psubscribe) await subscriber.psubscribe(...step.psubscribe);
  else await subscriber.ssubscribe(...step.ssubscribe);
  return tagged(Buffer.from("subscribed"));
};

const run_step = async (clients, step) => {
  const { redis, other, subscriber } = clients;
  if (step.command) {
    const reply = await redis.callBuffer(...words_of(step.command));
    if (step.save) replies.set(step.save, reply);
    return tagged(reply);
  }
  if (step.watch) return optimistic(redis, step, other);
  if (step.transaction) return transaction(redis, step.transaction);
  if (step.pipeline) return pipeline(redis, step.pipeline);
  if (step.receive) return receive(step.receive);
  return subscribe(subscriber, step);
};

const bytes = (value) => Buffer.from(value);
const clients = { redis: connect(), other: connect(), subscriber: connect() };
clients.subscriber.on("messageBuffer", (channel, payload) => {
  messages.push([bytes(channel), payload, null]);
});
clients.subscriber.on("smessageBuffer", (channel, payload) => {
  messages.push([bytes(channel), payload, null]);
});
clients.subscriber.on("pmessageBuffer", (pattern, channel, payload) => {
  messages.push([bytes(channel), payload, bytes(pattern)]);
});

for (const step of JSON.parse(readFileSync(steps_path, "utf8"))) {
  let reply;
  try {
    reply = await run_step(clients, step);
  } catch (error) {
    reply = tagged_error(error);
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
for (const client of Object.values(clients)) client.disconnect();
