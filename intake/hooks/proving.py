"""Proves a post by its source as it is now: one that was just made or changed is read first, before a refusal."""

import time

from aiohttp import web

from intake.hooks.refusals import HookRefusal
from intake.hooks.senders import Senders
from intake.hooks.sources import Source, Sources


async def found(sources: Sources, name: str) -> Source | None:
    """The source of this name; what is not known is looked for once more."""
    source = sources.find(name)
    if source is None:
        await sources.read_again()
        source = sources.find(name)
    return source


async def proved(
    request: web.BaseRequest, source: Source, sources: Sources, senders: Senders, body: bytes | None
) -> Source:
    """The source that proved the post, as it is now. Raises HookRefusal.

    `body` is None as long as it is not read; who is proved by it alone passes until then.
    """
    try:
        _check(request, source, senders, body)
    except HookRefusal as refusal:
        if refusal.reason == "replayed":
            raise
        await sources.read_again()
        newer = sources.find(source.name)
        if newer is None or newer is source:
            raise
        source = newer
        _check(request, source, senders, body)
    return source


def _check(request: web.BaseRequest, source: Source, senders: Senders, body: bytes | None) -> None:
    if source.prover is None:
        raise HookRefusal(
            503,
            "unusable",
            f"{source.name} can't be used: {source.fault}",
            "source",
            "whoever runs this server sets it: wattline source set, wattline source secret",
            retry_after_s=60,
        )
    if body is None and source.prover.needs_body:
        return
    names = senders.names(request) if source.settings.auth == "mtls" else ()
    source.prover.check(request.headers, names, body or b"", time.time())
