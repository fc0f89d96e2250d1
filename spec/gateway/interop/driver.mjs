// npm websocket-driver (of Faye) as client. usage: driver.mjs OPEN_URL TOKEN_URL TOKEN
import { createRequire } from "node:module";
import net from "node:net";
import { Inbox, run, within } from "./checks.mjs";

const require = createRequire(`${process.env.INTEROP_NODE}/`);
const websocket = require("websocket-driver");

async function driver(url, protocols) {
  const client = websocket.client(url, { protocols });
  const { hostname, port } = new URL(url);
  const tcp = net.connect(port, hostname, () => client.start());
  const messages = new Inbox();
  const pongs = new Inbox();
  tcp.pipe(client.io).pipe(tcp);
  client.messages.on("data", (data) => messages.put(data));
  const closed = new Promise((resolve) => client.on("close", ({ code }) => resolve({ code })));
  await within(new Promise((resolve, reject) => {
    client.on("open", resolve).on("error", reject);
    tcp.on("error", reject);
  }), "handshake");
  client.on("error", () => {});
  return {
    messages, pongs, closed: within(closed, "close"), protocol: client.protocol || "",
    send: (data) => (typeof data === "string" ? client.text(data) : client.binary(data)),
    ping: (data) => client.ping(data, () => pongs.put(data)),
    close: (code, reason) => client.close(reason, code),
  };
}

run("websocket-driver", driver);
