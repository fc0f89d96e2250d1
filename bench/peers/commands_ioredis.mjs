// Autopipelining is on where several commands wait at the same time; for one at a time it would
// only cost.
// usage: BENCH_NODE=DIR BENCH_MODULE=ioredis|ioredis5 \
//   node commands_ioredis.mjs ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT
import process from "node:process";
import { once } from "node:events";
import { is_concurrent, run_with } from "./commands.mjs";
import { fail, load, parse_address } from "./stream.mjs";

const installed = process.env.BENCH_MODULE;
const { Redis } = load(installed);
const redis = new Redis({
  ...parse_address(process.argv[2]),
  enableAutoPipelining: is_concurrent,
});

const execute = async (pipeline) => {
  const results = await pipeline.exec();
  return results.map(([error, reply]) => (error ? fail(error.message) : reply));
};

redis.on("error", (error) => fail(error.message));
await once(redis, "ready");
await run_with(redis, { begin: () => redis.pipeline(), execute, name: "ioredis", installed });
