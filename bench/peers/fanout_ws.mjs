// A broadcaster of ws and ioredis: what is published to a room's channel is sent to the WebSockets
// of that room, as it is. MODE "plain" sends each message to each socket by ws's send. MODE "gathered"
// is as fast as a program in Node can make it, by ws's Sender and what is below it: a frame is made
// once a message, and all that one read of Redis brings is one write a socket.
// usage: BENCH_NODE=DIR node fanout_ws.mjs HOST:PORT plain|gathered
import http from "node:http";
import process from "node:process";
import { load, parse_address } from "./stream.mjs";
import { serve } from "./fanout.mjs";

const { WebSocketServer, Sender } = load("ws");
const { Redis } = load("ioredis");
const [address, mode] = process.argv.slice(2);
const redis = new Redis(parse_address(address));
const server = http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
const rooms = new Map();

const send_plain = (room, payload) => {
  for (const socket of room.sockets) socket.send(payload, { binary: false });
};

const TEXT = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true };

const flush = (room) => {
  const bytes = Buffer.concat(room.frames);
  room.frames = [];
  for (const socket of room.sockets) socket._socket.write(bytes);
};

const send_gathered = (room, payload) => {
  if (room.frames.length === 0) setImmediate(flush, room);
  room.frames.push(...Sender.frame(payload, TEXT));
};

const send = mode === "gathered" ? send_gathered : send_plain;

const room_of = (name) => {
  let room = rooms.get(name);
  if (!room) {
    room = { sockets: new Set(), frames: [] };
    rooms.set(name, room);
    redis.subscribe(name);
  }
  return room;
};

redis.on("messageBuffer", (channel, payload) => {
  const room = rooms.get(channel.toString());
  if (room) send(room, payload);
});

sockets.on("connection", (socket, request) => {
  const room = room_of(request.url.slice(1));
  room.sockets.add(socket);
  socket.on("close", () => room.sockets.delete(socket));
  socket.on("error", () => {});
});

const how = mode === "gathered" ? ", gathered" : "";
serve(server, (v) => `ws ${v("ws")} + ioredis ${v("ioredis")}${how}`);
