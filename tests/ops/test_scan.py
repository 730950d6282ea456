"""The scan for known holes, by pip-audit itself, against a server of ours that speaks OSV's query."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

TOP = Path(__file__).resolve().parents[2]
HOLED = "structlog"


class Osv:
    """A server of known holes; `down` has it answer nothing of use."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: set[str] = set()
        self.holed = ""
        self.down = False

    async def query(self, request: web.Request) -> web.Response:
        """POST /v1/query, https://google.github.io/osv.dev/post-v1-query/."""
        if self.down:
            return web.Response(status=503)
        package = json.loads(await request.read())["package"]
        assert package["ecosystem"] == "PyPI"
        self.asked.add(package["name"])
        if package["name"] != self.holed:
            return web.json_response({})
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]
        affected = [{"package": package, "ranges": ranges}]
        return web.json_response({"vulns": [{"id": "GHSA-test", "summary": "a hole", "affected": affected}]})


@pytest.fixture
async def osv() -> AsyncIterator[Osv]:
    """The server, on the loopback."""
    made = Osv()
    app = web.Application()
    app.router.add_post("/v1/query", made.query)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/query"
    yield made
    await runner.cleanup()


async def _scan(*words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.ci.scan", *words),
        cwd=TOP,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.timeout(900)
async def test_what_is_shipped_is_asked_about_and_what_is_known_is_named(osv: Osv) -> None:
    """Nothing known ends with 0, a hole with 1 and its fix; one that was judged is let be; no answer ends with 2."""
    status, said = await _scan("--osv-url", osv.url)
    assert (status, said.splitlines()[-1][:16]) == (0, "no hole is known"), said
    assert {"paho-mqtt", "cryptography", "asyncpg", "aiohttp", "tuf", "pyserial"} <= osv.asked
    osv.holed = HOLED
    status, said = await _scan("--osv-url", osv.url)
    assert status == 1, said
    assert said.splitlines()[-1].endswith(": GHSA-test, mended in 99.0: `make lock`")
    assert said.count(f"{HOLED} ") == 1, "of several files' pins it is one"
    assert (await _scan("--osv-url", osv.url, "--ignore", "GHSA-test"))[0] == 0
    osv.down = True
    status, said = await _scan("--osv-url", osv.url)
    assert status == 2
    assert "nobody could be asked about requirements/device.txt" in said
    assert "Traceback" not in said
