// usage: BENCH_NODE=DIR BENCH_MODULE=ioredis|ioredis5 \
//   node receive_ioredis.mjs ADDRESS CHANNELS WARMUP MESSAGES
import process from "node:process";
import { fail, load, make_counter, names, parse_address, ready } from "./stream.mjs";

const module_name = process.env.BENCH_MODULE;
const { Redis } = load(module_name);
const [address, channels, warmup, messages] = process.argv.slice(2);
const redis = new Redis(parse_address(address));
const received = make_counter(Number(warmup), Number(messages));

redis.on("error", (error) => fail(error.message));
redis.on("message", (channel, payload) => received(payload));
await redis.subscribe(...names(Number(channels)));
ready("ioredis", module_name);
