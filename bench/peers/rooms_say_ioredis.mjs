// The recipe by ioredis: MULTI, LPUSH, PUBLISH, EXEC from TASKS async functions that each await.
// usage: BENCH_NODE=DIR BENCH_MODULE=ioredis|ioredis5 \
//   node rooms_say_ioredis.mjs ADDRESS TASKS WARMUP MESSAGES recipe
import process from "node:process";
import { once } from "node:events";
import { fail, load, parse_address } from "./stream.mjs";

const TEXT = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
const PAYLOAD = `{"user":"ann","text":"${TEXT}"}`;
const module_name = process.env.BENCH_MODULE;
const { Redis } = load(module_name);
const redis = new Redis(parse_address(process.argv[2]));
const [tasks, warmup, messages] = process.argv.slice(3, 6).map(Number);

redis.on("error", (error) => fail(error.message));
await once(redis, "ready");

async function say_all(count) {
  let to_send = count;
  async function say() {
    while (to_send > 0) {
      to_send--;
      const replies = await redis.multi().lpush("room:bench:backlog", PAYLOAD)
        .publish("room:bench", PAYLOAD).exec();
      if (replies.some(([error]) => error)) fail("a command failed");
    }
  }
  await Promise.all(Array.from({ length: tasks }, say));
}

async function redis_cpu() {
  const info = await redis.info("cpu");
  const read = (name) => Number(info.match(new RegExp(`${name}:([\\d.]+)`))[1]);
  return (read("used_cpu_sys_main_thread") + read("used_cpu_user_main_thread")) * 1e6;
}

await redis.flushall();
console.log(`ready ${process.pid} ${module_name}, recipe`);
await say_all(warmup);
const server = await redis_cpu();
const cpu = process.cpuUsage(), wall = process.hrtime.bigint();
await say_all(messages);
const used = process.cpuUsage(cpu), wall_used = process.hrtime.bigint() - wall;
const server_ns = ((await redis_cpu()) - server) * 1e3 / messages;
console.log(`result ${messages} ${(used.user + used.system) * 1000} ${wall_used} `
  + `redis=${server_ns.toFixed(0)}`);
await redis.quit();
