"""A browser's way to a gateway behind a proxy: a page, a WebSocket, an event stream, /metrics.
usage: through.py PORT CA-FILE TOKEN CLIENT-ADDRESS
Prints what is seen, a line each. Exit code: 0; 1 with a traceback when something fails."""
import asyncio
import http.client
import json
import socket
import ssl
import sys

import websockets

PORT, CA, TOKEN, ADDRESS = int(sys.argv[1]), *sys.argv[2:]
SECONDS = 15
HOST = f"chat.example:{PORT}"
TLS = ssl.create_default_context(cafile=CA)


def open_http(path):
    """The answer to a GET, of which only the head has been read."""
    plain = socket.create_connection(("127.0.0.1", PORT), SECONDS, (ADDRESS, 0))
    connection = http.client.HTTPConnection("chat.example")
    connection.sock = TLS.wrap_socket(plain, server_hostname="chat.example")
    connection.request("GET", path, headers={"Host": HOST, "Authorization": f"Bearer {TOKEN}"})
    return connection.getresponse()


def read_event(stream):
    """The next event's name and data."""
    event, data = None, None
    while True:
        line = stream.readline().decode().rstrip("\r\n")
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data = json.loads(line[5:])
        elif not line and data is not None:
            return event, data


async def ask(ws, request):
    await ws.send(json.dumps({"ref": 1, **request}))
    while True:
        answer = json.loads(await ws.recv())
        if answer.get("ref") == 1:
            return answer


def say(ws, text):
    return ask(ws, {"op": "say", "room": "chatty", "text": text})


async def talk(stream):
    async with websockets.connect(
            f"wss://{HOST}/socket", ssl=TLS, server_hostname="chat.example", host="127.0.0.1", port=PORT,
            local_addr=(ADDRESS, 0), subprotocols=["moonpool.v1"], origin=f"https://{HOST}") as ws:
        print("hello", (await ask(ws, {"op": "hello", "token": TOKEN}))["op"])
        print("join", (await ask(ws, {"op": "join", "room": "chatty"}))["op"])
        print("whence", (await say(ws, "whence"))["reason"])
        print("say", (await say(ws, "Ahoy"))["op"])
        data = {}
        while data.get("op") != "message":  # ann's joining comes before
            event, data = await asyncio.to_thread(read_event, stream)
        print("streamed", event, data["message"]["text"])


page = open_http("/moonpool.js")
print("page", page.status, b"export" in page.read())
print("metrics", open_http("/metrics").status)
events = open_http("/rooms/chatty/events")
print("stream", events.status, read_event(events)[0])
asyncio.run(asyncio.wait_for(talk(events), SECONDS))
