"""An HTTP endpoint that takes InfluxDB's line protocol, strictly, and can fail as InfluxDB does."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

_UNESCAPED = re.compile(r"(?<!\\),")
_LINE = re.compile(r"(?P<head>(?:\\[, =]|[^ ])+) value=(?P<value>-?[0-9.e+-]+) (?P<at>-?[0-9]+)")


class Point(NamedTuple):
    """A point as a database would hold it."""

    measurement: str
    meter: str
    obis: str
    unit: str
    value: float
    at_ns: int


def parse(body: str) -> list[Point]:
    """The points of a body; ValueError for one that is no line protocol."""
    return [_point(text) for text in body.split("\n")]


def _point(text: str) -> Point:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"unable to parse '{text}'")
    measurement, *tags = _UNESCAPED.split(found["head"])
    if measurement.startswith("#"):
        raise ValueError("a comment")
    named = {}
    for tag in tags:
        key, equal, value = tag.partition("=")
        if not equal or not value or re.search(r"(?<!\\)=", value):
            raise ValueError(f"bad tag {tag!r}")
        named[key] = re.sub(r"\\([, =])", r"\1", value)
    return Point(
        re.sub(r"\\([, ])", r"\1", measurement), named["meter"], named["obis"], named.get("unit", ""),
        float(found["value"]), int(found["at"]),
    )  # fmt: skip


@dataclass
class LineReceiver:
    """What came.

    `fail` answers all posts with that status, `bad` refuses those that carry that meter, and points before `kept_ns`
    are dropped, as InfluxDB does beyond a bucket's retention: what else is in such a post is stored.
    """

    url: str = ""
    points: dict[tuple[str, str, str, int], float] = field(default_factory=dict)
    """Values by meter, code, unit and time: a repeat is the same point."""
    posts: int = 0
    refused: int = 0
    fail: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    bad: str = ""
    kept_ns: int = 0
    authorization: str = ""
    lines: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """POST /write."""
        self.posts += 1
        self.authorization = request.headers.get("Authorization", "")
        if self.fail:
            self.refused += 1
            return web.Response(status=self.fail, text='{"message":"try later"}', headers=self.headers)
        try:
            points = parse(await request.text())
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        if self.bad and any(one.meter == self.bad for one in points):
            self.refused += 1
            return web.Response(status=400, text=f"partial write: {self.bad}")
        dropped = sum(one.at_ns < self.kept_ns for one in points)
        points = [one for one in points if one.at_ns >= self.kept_ns]
        self.lines.append(len(points))
        for one in points:
            key = (one.meter, one.obis, one.unit, one.at_ns)
            assert self.points.get(key, one.value) == one.value, "a repeat is another value"
            self.points[key] = one.value
        if dropped:
            self.refused += 1
            said = (
                f"failure writing points to database: partial write: points beyond retention policy dropped={dropped}"
            )
            return web.json_response({"code": "unprocessable entity", "message": said}, status=422)
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def line_receiver() -> AsyncIterator[LineReceiver]:
    """One that listens."""
    receiver = LineReceiver()
    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes([web.post("/write", receiver.take)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/write?db=meters"
    try:
        yield receiver
    finally:
        await runner.cleanup()
