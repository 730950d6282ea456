"""A post from its head to its answer: proved, bounded, kept, and then said yes to."""

import contextlib
import time
from typing import Final, NoReturn

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from broker.buckets import Buckets
from intake.hooks.bodies import check_encoding, is_taken, key_of, too_large
from intake.hooks.metrics import HookMetrics
from intake.hooks.proofs import decoy
from intake.hooks.proving import found, proved
from intake.hooks.reading import Bodies, Held, inflated
from intake.hooks.refusals import HookRefusal, refusal_of
from intake.hooks.refusing import Refusing
from intake.hooks.senders import Senders
from intake.hooks.settings import IntakeSettings
from intake.hooks.sources import Source, Sources
from intake.inbox.inbox import Inbox
from intake.inbox.payload import InboxError, Kept, Payload
from intake.notices.notices import Notices

log = structlog.get_logger()
PATH: Final = "/hooks/"
GUESSES_PER_S: Final = 1.0
GUESSES_BURST: Final = 20
"""Posts of one address to one source that prove nothing, as many as the gateway lets guess."""
UNKNOWN_MOST: Final = 2**20
"""So much is read of a post to a source that is not there."""
CONTENT_TYPE_MOST: Final = 200
_ACCEPTED: Final = {"Content-Type": "application/json", "Server": "Wattline"}
_DECOY: Final = decoy()


class Hooks:
    """Answers requests; `inbox` is None until the database is there, and again at the end."""

    def __init__(self, settings: IntakeSettings, sources: Sources, metrics: HookMetrics, notices: Notices) -> None:
        self.inbox: Inbox | None = None
        self.in_flight = 0
        self._settings = settings
        self._sources = sources
        self._metrics = metrics
        self._senders = Senders(settings.proxies, settings.client_name_header)
        self._guesses = Buckets(GUESSES_PER_S, GUESSES_BURST)
        self._bodies = Bodies(settings.reading_mib * 2**20, settings.body_timeout_s, metrics.reading_bytes)
        self._refusing = Refusing(metrics, notices)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a request, whatever it is."""
        self.in_flight += 1
        began_s, held = time.perf_counter(), Held()
        try:
            kept = await self._take(request, held)
        except HookRefusal as refusal:
            return self._refuse(request, refusal)
        except (ConnectionError, HttpProcessingError, web.RequestPayloadError) as error:
            # the sender left, or its body ended too soon
            return self._refuse(request, HookRefusal(400, "left", f"the body ended too soon: {error}", "body"))
        except Exception:
            log.exception("post_failed", path=request.path[:100])
            return self._refuse(request, HookRefusal(500, "failed", "the intake failed; its log says why"))
        finally:
            self.in_flight -= 1
            self._bodies.let_go(held)
        if kept is None:
            return web.Response(text="ok\n", headers={"Server": "Wattline"})
        self._metrics.post_s.observe(time.perf_counter() - began_s)
        body = b'{"id": %d, "repeated": %s}\n' % (kept.id, b"true" if kept.repeated else b"false")
        return web.Response(body=body, status=202, headers=_ACCEPTED)

    async def _take(self, request: web.BaseRequest, held: Held) -> Kept | None:
        """Keep a post; None for a load balancer that asks whether this process takes any."""
        path = _path(request)
        if path == "/healthz" and request.method in ("GET", "HEAD"):
            _check_room(self._inbox(), "", 0)
            well, detail = self._sources.check()
            if not well:
                raise HookRefusal(503, "away", f"the database: {detail}", retry_after_s=5)
            return None
        if not path.startswith(PATH):
            raise HookRefusal(404, "unknown", "posts go to /hooks/SOURCE", "path", "see docs/INTAKE.md")
        if request.method not in ("POST", "PUT"):
            raise HookRefusal(405, "method", f"{request.method[:20]} is not taken here", "method", "POST or PUT")
        place = self._senders.place(request)
        name = path[len(PATH) :]
        source = self._sources.find(name)
        # senders may share an address: who guesses at one source shuts out nobody at another
        guesses_at = f"{place} {source.name if source else ''}"
        if wait_s := self._guesses.wait(guesses_at):
            raise HookRefusal(
                429, "guesses", f"too many posts of {place} that prove nothing", "request", "wait", retry_after_s=wait_s
            )
        inbox = self._inbox()
        try:
            source = source or await found(self._sources, name)
            if source is None:
                await self._refuse_unknown(request, held)
            return await self._keep(request, source, inbox, held)
        except HookRefusal as refusal:
            if refusal.status in (401, 403, 404):
                self._guesses.take(guesses_at)
            raise

    def _refuse(self, request: web.BaseRequest, refusal: HookRefusal) -> web.Response:
        path = _path(request)
        source = self._sources.find(path[len(PATH) :]) if path.startswith(PATH) else None
        return self._refusing.answer(request, refusal, self._senders.place(request), source.name if source else None)

    def _inbox(self) -> Inbox:
        if self.inbox is None or not self._sources.known:
            raise HookRefusal(503, "away", "the database is not there yet", "", "", retry_after_s=5)
        return self.inbox

    async def _refuse_unknown(self, request: web.BaseRequest, held: Held) -> NoReturn:
        """Take the time that a source takes which is there, and say that it is not."""
        body = await self._bodies.read(request, UNKNOWN_MOST, held)
        with contextlib.suppress(HookRefusal):
            _DECOY.check(request.headers, (), body, time.time())
        raise HookRefusal(
            404,
            "unknown",
            "there is no such source, or it is not enabled",
            "source",
            "ask this server's people for the URL",
        )

    async def _keep(self, request: web.BaseRequest, source: Source, inbox: Inbox, held: Held) -> Kept:
        source, sent, encoding = await self._proved(request, source, inbox, held)
        try:
            return await self._keep_proved(request, source, inbox, sent, encoding)
        except HookRefusal as refusal:
            refusal.is_proved = True
            raise

    async def _proved(
        self, request: web.BaseRequest, source: Source, inbox: Inbox, held: Held
    ) -> tuple[Source, bytes, str]:
        """The source as it is now, and the body as its sender sent it with its encoding. Raises HookRefusal."""
        source = await proved(request, source, self._sources, self._senders, None)
        try:
            sent, encoding = await self._sent(request, source, inbox, held)
        except HookRefusal as refusal:
            refusal.is_proved = not source.needs_body
            raise
        if source.needs_body:
            source = await proved(request, source, self._sources, self._senders, sent)
        return source, sent, encoding

    async def _sent(self, request: web.BaseRequest, source: Source, inbox: Inbox, held: Held) -> tuple[bytes, str]:
        headers, limit = request.headers, source.settings.max_bytes
        encoding = check_encoding(headers.get("Content-Encoding", ""))
        if not request.content.is_eof():
            # no byte more is read of what would be refused
            size = request.content_length or 0
            if size > limit:
                raise too_large(limit)
            if wait_s := source.rate.wait_s(size, time.monotonic()):
                raise _too_fast(source, wait_s)
            _check_room(inbox, source.name, size)
        return await self._bodies.read(request, limit, held), encoding

    async def _keep_proved(
        self, request: web.BaseRequest, source: Source, inbox: Inbox, sent: bytes, encoding: str
    ) -> Kept:
        # counted once it is proved, so that nobody uses up another one's share
        # by the clock as it is now: by that of a slow body's beginning the others' posts would lie in the future
        if wait_s := source.rate.take(len(sent), time.monotonic()):
            raise _too_fast(source, wait_s)
        headers = request.headers
        content_type = headers.get("Content-Type", "")
        if not is_taken(content_type, source.settings.content_types):
            raise HookRefusal(
                415, "content_type", f"{content_type[:80]!r} is not taken of this source", "Content-Type",
                f"send {', '.join(source.settings.content_types)}",
            )  # fmt: skip
        body = await inflated(sent, encoding, source.settings.max_bytes)
        if not body:
            raise HookRefusal(422, "damaged", "the body is empty", "body", "send what happened in it")
        key = key_of(headers, body, source.settings.key_header, source.id_header)
        self._metrics.bytes.inc(len(sent))
        kind = content_type[:CONTENT_TYPE_MOST].encode(errors="replace").decode()
        return await self._put(inbox, Payload(source.name, key, body, kind))

    async def _put(self, inbox: Inbox, payload: Payload) -> Kept:
        try:
            return await inbox.put(payload, self._settings.post_timeout_s)
        except InboxError as error:
            raise refusal_of(error) from error


def _path(request: web.BaseRequest) -> str:
    # names of sources have nothing that a URL would have to encode
    return request.raw_path.partition("?")[0]


def _check_room(inbox: Inbox, source: str, size: int) -> None:
    try:
        inbox.check(source, size)
    except InboxError as error:
        raise refusal_of(error) from error


def _too_fast(source: Source, wait_s: float) -> HookRefusal:
    settings = source.settings
    return HookRefusal(
        429,
        "rate",
        f"{source.name} may send {settings.posts_per_second:g} posts and {settings.bytes_per_second:g} bytes a second",
        "request",
        "wait as Retry-After says, or have the limit raised",
        wait_s,
    )
