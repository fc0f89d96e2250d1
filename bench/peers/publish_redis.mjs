// usage: BENCH_NODE=DIR node publish_redis.mjs ADDRESS TASKS WARMUP MESSAGES
import process from "node:process";
import { fail, load, parse_address } from "./stream.mjs";
import { publish_with } from "./tasks.mjs";

const { createClient } = load("redis");
const redis = createClient({ socket: parse_address(process.argv[2]) });

redis.on("error", (error) => fail(error.message));
await redis.connect();
await publish_with(redis, "redis", "redis");
