"""Files of jobs: what an export made is fetched, and what an import is to read is sent."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from aiohttp import web
from pydantic import Field, RootModel

from broker.contract.messages import At
from gateway.api.route import Answer, Call, Route, Stream
from gateway.faults import Fault, Kind, Refusal, invalid, unknown
from gateway.jobs.store import find_job
from gateway.models import ApiModel, AuthorQuery
from store.files import (
    KEPT,
    MIB,
    FileWriter,
    JobFile,
    TooLargeError,
    add_file,
    complete_file,
    drop_file,
    file_of_job,
    find_file,
    parts,
)
from store.pool import Pool

SILENT_S: Final = 60.0
"""Who sends nothing for so long is given up."""
CHUNK_BYTES: Final = 1 << 16
MEDIA: Final = ("application/octet-stream", "text/csv")


class FileQuery(AuthorQuery):
    """A file that is sent."""

    name: str = Field(
        default="upload.csv", min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]*$",
        description="What to call it.",
    )  # fmt: skip


class FileView(ApiModel):
    """A file that jobs make or read."""

    file: int = Field(description="Its number, which a job that reads it is given.")
    name: str
    media: str
    bytes: int
    sha256: str | None
    author: str
    created_at: At
    expires_at: At = Field(description="Until when it can be fetched or read.")


class FileBody(RootModel[str]):
    """The bytes of a file."""


class FileRoutes:
    """Both ways in parts, so that the size of a file does not matter to the gateway's memory."""

    def __init__(self, pool: Pool, most_mib: int, every_mib: int) -> None:
        self._pool = pool
        self._most_bytes = most_mib * MIB
        self._every_bytes = every_mib * MIB

    def routes(self) -> list[Route]:
        """The routes served here."""
        fetched = "The file that a job made, such as an export."
        sent = "Send a file for a job to read; it is kept for a week, or until that job is done."
        return [
            Route("GET", "/jobs/{job}/file", "fetchJobFile", fetched, self.fetch, FileBody,
                  path_fields={"job": "The job's number."}, sends=MEDIA, audited=True),
            Route("POST", "/job-files", "sendJobFile", sent, _nothing, FileView, FileQuery, FileBody, media=MEDIA,
                  stream=self.send),
        ]  # fmt: skip

    async def fetch(self, call: Call) -> Answer:
        """GET /jobs/{job}/file."""
        text = call.path["job"]
        is_number = text.isdecimal() and text.isascii() and len(text) <= 18
        found = await file_of_job(self._pool, int(text)) if is_number else None
        if found is None:
            if not is_number or await find_job(self._pool, int(text)) is None:
                raise unknown("job", text)
            reason = f"job {text[:20]} has no file: it made none, is not done, or the file has expired"
            raise Refusal(Kind.UNKNOWN, reason, [Fault("job", reason, f"GET /api/v1/jobs/{text} tells of it")])
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
            "Content-Length": str(found.bytes),
            "Repr-Digest": f"sha-256=:{_base64(found)}:",
        }
        return Answer(Stream(parts(self._pool, found.id), found.media, headers))

    async def send(self, call: Call, request: web.Request) -> web.StreamResponse:
        """POST /job-files: stored part by part as it comes, and there only if all of it came."""
        query: FileQuery = call.query
        number = await add_file(self._pool, None, query.name, call.content_type or MEDIA[0], query.author, KEPT)
        try:
            writer = FileWriter(self._pool, number, self._most_bytes, self._every_bytes)
            async for chunk in _chunks(request):
                await writer.write(chunk)
            digest = await writer.end()
        except TooLargeError as error:
            await drop_file(self._pool, number)
            fault = Fault("body", str(error), "send parts of it, one after another")
            raise Refusal(Kind.TOO_MANY, str(error), [fault]) from error
        except BaseException:
            await drop_file(self._pool, number)
            raise
        if not writer.bytes:
            await drop_file(self._pool, number)
            raise Refusal(Kind.INVALID, "the file is empty", [Fault("body", "no byte came", "send the file")])
        await complete_file(self._pool, number, digest)
        found = await find_file(self._pool, number)
        if found is None:
            gone = "the file was removed as soon as it was there"
            raise Refusal(Kind.CONFLICT, gone, [Fault("body", gone, "send it again")])
        return await Route.respond(request, Answer(file_view(found)))


def file_view(found: JobFile) -> FileView:
    """A file as the API shows it."""
    return FileView(
        file=found.id, name=found.name, media=found.media, bytes=found.bytes, sha256=found.sha256, author=found.author,
        created_at=found.created_at, expires_at=found.expires_at,
    )  # fmt: skip


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                chunk = await request.content.read(CHUNK_BYTES)
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        if not chunk:
            return
        yield chunk


def _base64(found: JobFile) -> str:
    return base64.b64encode(bytes.fromhex(found.sha256 or "")).decode()


async def _nothing(_: Call) -> Answer:
    raise invalid("path", "this takes a stream", "send the bytes of the file as the body")
