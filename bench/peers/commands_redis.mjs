// usage: BENCH_NODE=DIR node commands_redis.mjs ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT
import process from "node:process";
import { run_with } from "./commands.mjs";
import { fail, load, parse_address } from "./stream.mjs";

const { createClient } = load("redis");
const redis = createClient({ socket: parse_address(process.argv[2]) });

redis.on("error", (error) => fail(error.message));
await redis.connect();
await run_with(redis, {
  begin: () => redis.multi(),
  execute: (pipeline) => pipeline.execAsPipeline(),
  name: "redis",
  installed: "redis",
});
