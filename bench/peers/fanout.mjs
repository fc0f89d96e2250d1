// What the Node peers of bench/fanout share: a free port, what is told of it, and the end.
import process from "node:process";
import { load } from "./stream.mjs";

// Listens, and prints "ready PIDS PORT WHAT IT IS". Ends when standard input does. `describe` is
// given a function from a module's name to its version.
export const serve = (server, describe) => {
  const version = (name) => load(`${name}/package.json`).version;
  process.stdin.on("end", () => process.exit(0)).resume();
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => {
    const { port } = server.address();
    console.log(`ready ${process.pid} ${port} ${describe(version)}, Node ${process.versions.node}`);
  });
};
