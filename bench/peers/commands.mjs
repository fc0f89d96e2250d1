// What the Node peers of `commands` share.
// tasks: WIDTH async functions that each GET or SET and await, again and again, on one client.
// pipeline: WIDTH commands a pipeline, one pipeline after the other.
import process from "node:process";
import { make_keys } from "./keys.mjs";
import { cpu_ns, fail, ready, wall_ns } from "./stream.mjs";

const [command, kind, width_text, warmup, count] = process.argv.slice(3);
const width = Number(width_text);
const { names, values } = make_keys();
let cursor = 0;

// Do several commands wait for their replies at the same time?
export const is_concurrent = kind === "tasks" && width > 1;

const next_index = () => {
  const index = cursor;
  cursor = cursor + 1 < names.length ? cursor + 1 : 0;
  return index;
};

const task_of = {
  get: async (redis, left) => {
    while (left.count > 0) {
      left.count--;
      const i = next_index();
      const value = await redis.get(names[i]);
      if (value !== values[i]) fail(`GET ${names[i]}: not its value`);
    }
  },
  set: async (redis, left) => {
    while (left.count > 0) {
      left.count--;
      const i = next_index();
      const status = await redis.set(names[i], values[i]);
      if (status !== "OK") fail(`SET ${names[i]}: not OK`);
    }
  },
};

const run_tasks = (redis, total) => {
  const left = { count: total };
  return Promise.all(Array.from({ length: width }, () => task_of[command](redis, left)));
};

const pipeline_of = {
  get: async (pipeline, execute, size) => {
    const first = cursor;
    for (let n = 0; n < size; n++) pipeline.get(names[next_index()]);
    const replies = await execute(pipeline);
    if (replies.length !== size) fail("replies are missing");
    cursor = first;
    for (const reply of replies) {
      const i = next_index();
      if (reply !== values[i]) fail(`GET ${names[i]}: not its value`);
    }
  },
  set: async (pipeline, execute, size) => {
    for (let n = 0; n < size; n++) {
      const i = next_index();
      pipeline.set(names[i], values[i]);
    }
    const replies = await execute(pipeline);
    if (replies.length !== size) fail("replies are missing");
    for (const reply of replies) if (reply !== "OK") fail("SET: not OK");
  },
};

const run_pipelines = async (begin, execute, total) => {
  for (let left = total; left > 0; left -= width) {
    await pipeline_of[command](begin(), execute, Math.min(left, width));
  }
};

// `redis` is connected; `begin` makes a pipeline, and `execute` gives the list of its replies.
// `name` is the module's own name, `installed` where it is.
export const run_with = async (redis, { begin, execute, name, installed }) => {
  const run = (total) =>
    kind === "pipeline" ? run_pipelines(begin, execute, total) : run_tasks(redis, total);
  ready(name, installed);
  await run(Number(warmup));
  const cpu = cpu_ns();
  const wall = wall_ns();
  await run(Number(count));
  console.log(`result ${count} ${cpu_ns() - cpu} ${wall_ns() - wall}`);
  process.exit(0);
};
