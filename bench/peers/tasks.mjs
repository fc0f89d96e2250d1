// What the publishing Node peers share: TASKS async functions that each publish and await, again
// and again.
import process from "node:process";
import { cpu_ns, fail, names, ready, wall_ns } from "./stream.mjs";

const payload = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

const publish_all = async (redis, channels, count) => {
  let to_send = count;
  await Promise.all(channels.map(async (channel) => {
    while (to_send > 0) {
      to_send--;
      const receivers = await redis.publish(channel, payload);
      if (receivers !== 0) fail(`PUBLISH: ${receivers} receivers`);
    }
  }));
};

// `redis` is connected; `name` is the module's own name, `installed` where it is.
export const publish_with = async (redis, name, installed) => {
  const [tasks, warmup, messages] = process.argv.slice(3).map(Number);
  const channels = names(tasks);
  ready(name, installed);
  await publish_all(redis, channels, warmup);
  const cpu = cpu_ns();
  const wall = wall_ns();
  await publish_all(redis, channels, messages);
  console.log(`result ${messages} ${cpu_ns() - cpu} ${wall_ns() - wall}`);
  process.exit(0);
};
