// usage: BENCH_NODE=DIR node receive_redis.mjs ADDRESS CHANNELS WARMUP MESSAGES
import process from "node:process";
import { fail, load, make_counter, names, parse_address, ready } from "./stream.mjs";

const { createClient } = load("redis");
const [address, channels, warmup, messages] = process.argv.slice(2);
const redis = createClient({ socket: parse_address(address) });
const received = make_counter(Number(warmup), Number(messages));

redis.on("error", (error) => fail(error.message));
await redis.connect();
await redis.subscribe(names(Number(channels)), (payload) => received(payload));
ready("redis", "redis");
