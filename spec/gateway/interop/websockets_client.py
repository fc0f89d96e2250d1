"""Debian's python3-websockets as client. usage: websockets_client.py OPEN_URL TOKEN_URL TOKEN

The same checks as checks.mjs, and fragments.
"""

import asyncio
import json
import os
import sys

import websockets

SECONDS = 20
OPEN, CLOSED, TOKEN = sys.argv[1:]


def text(length):
    return ("Hello, Wörld! 🌙 " * (length // 16 + 1))[:length]


async def ask(socket, **request):
    await socket.send(json.dumps(request, ensure_ascii=False))
    answer = json.loads(await socket.recv())
    assert answer["ref"] == request["ref"], answer
    return answer


async def hello(user, **options):
    socket = await websockets.connect(OPEN, **options)
    answer = await ask(socket, op="hello", user=user, ref=1)
    assert answer["op"] == "ok", answer
    return socket


async def end(socket, code=1000):
    await socket.close(code, "bye")
    assert socket.close_code == code, socket.close_code


async def check_no_subprotocol():
    socket = await hello("ann")
    assert socket.subprotocol is None and not socket.extensions
    await end(socket)


async def check_the_subprotocol():
    socket = await hello("ann", subprotocols=["other", "moonpool.v1"])
    assert socket.subprotocol == "moonpool.v1", socket.subprotocol
    await end(socket)


async def check_a_token():
    socket = await websockets.connect(CLOSED, subprotocols=["moonpool.v1", "token." + TOKEN])
    assert socket.subprotocol == "moonpool.v1", socket.subprotocol
    assert json.loads(await socket.recv()) == {"op": "ok", "user": "ann"}
    assert (await ask(socket, op="ping", ref="x"))["op"] == "ok"
    await end(socket)


async def check_a_wrong_token():
    socket = await websockets.connect(CLOSED, subprotocols=["moonpool.v1", f"token.{TOKEN}x"])
    await socket.wait_closed()
    assert socket.close_code == 4401, socket.close_code


async def check_texts():
    socket = await hello("ann")
    for length in (0, 1, 100, 126, 4000, 30000):
        assert (await ask(socket, op="ping", ref=text(length)))["op"] == "ok"
    await end(socket, 3001)


async def check_fragments():
    socket = await hello("ann")
    await socket.send(['{"op":"ping",', '"ref":"', "ö", '"', "}"])
    assert json.loads(await socket.recv())["ref"] == "ö"
    await end(socket)


async def check_many_at_once():
    socket = await hello("ann")
    for ref in range(500):
        await socket.send(json.dumps({"op": "ping", "ref": ref}))
    for ref in range(500):
        assert json.loads(await socket.recv())["ref"] == ref
    await end(socket)


async def check_a_ping():
    socket = await hello("ann")
    await (await socket.ping("payload"))
    await end(socket)


async def check_two_talk():
    room = f"interop-{os.getpid()}"
    ann, bob = await hello("ann"), await hello("bob")
    assert (await ask(ann, op="join", room=room, ref=2))["op"] == "ok"
    assert (await ask(bob, op="say", room=room, text=text(500), ref=3))["op"] == "ok"
    heard = {}
    while heard.get("op") != "message":
        heard = json.loads(await ann.recv())
    assert (heard["message"]["user"], heard["message"]["text"]) == ("bob", text(500)), heard
    await end(ann)
    await end(bob)


async def check_binary():
    socket = await hello("ann")
    await socket.send(b"\1\2\3")
    await socket.wait_closed()
    assert socket.close_code == 1003, socket.close_code


async def check_nonsense():
    socket = await hello("ann")
    for _ in range(3):
        await socket.send("nonsense")
    await socket.wait_closed()
    assert socket.close_code == 1008, socket.close_code


async def main():
    failed = 0
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        what = name[len("check_"):].replace("_", " ")
        try:
            await asyncio.wait_for(check(), SECONDS)
            print(f"ok   python3-websockets: {what}")
        except Exception as error:  # whatever it is, the next check is run
            failed += 1
            print(f"FAIL python3-websockets: {what}: {error!r}")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
