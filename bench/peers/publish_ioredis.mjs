// Autopipelining on: what one turn of the event loop publishes travels in one pipeline.
// usage: BENCH_NODE=DIR BENCH_MODULE=ioredis|ioredis5 \
//   node publish_ioredis.mjs ADDRESS TASKS WARMUP MESSAGES
import process from "node:process";
import { once } from "node:events";
import { fail, load, parse_address } from "./stream.mjs";
import { publish_with } from "./tasks.mjs";

const module_name = process.env.BENCH_MODULE;
const { Redis } = load(module_name);
const redis = new Redis({ ...parse_address(process.argv[2]), enableAutoPipelining: true });

redis.on("error", (error) => fail(error.message));
await once(redis, "ready");
await publish_with(redis, "ioredis", module_name);
