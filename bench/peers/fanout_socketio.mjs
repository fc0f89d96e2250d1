// Socket.IO with its Redis adapter, over ioredis; only WebSockets, without compression.
// usage: BENCH_NODE=DIR node fanout_socketio.mjs HOST:PORT
import http from "node:http";
import process from "node:process";
import { load, parse_address } from "./stream.mjs";
import { serve } from "./fanout.mjs";

const { Server } = load("socket.io");
const { createAdapter } = load("@socket.io/redis-adapter");
const { Redis } = load("ioredis");
const publisher = new Redis(parse_address(process.argv[2]));
const subscriber = publisher.duplicate();
const server = http.createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
});

io.on("connection", (socket) => socket.join(socket.handshake.query.room));

serve(server, (v) => `Socket.IO ${v("socket.io")}, redis-adapter ${v("@socket.io/redis-adapter")}`);
