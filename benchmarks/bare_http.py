"""The limit of the intake: the same HTTP library, loop and number of processes, which read a post and answer it."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def answer(request: web.BaseRequest) -> web.Response:
    """Read the body and answer."""
    await request.read()
    return web.Response(body=b'{"id": 1, "repeated": false}\n', status=202, content_type="application/json")


async def main(port: int) -> None:
    """Serve for ever."""
    server = web.Server(answer, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port, reuse_port=True, backlog=1024)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main(int(sys.argv[1])))
