"""A message by a webhook: POST of the CloudEvent, signed, to an address of the world's, within a time."""

import asyncio
import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from ingestor.notices.addresses import ForbiddenAddressError, check
from ingestor.notices.outcome import MAX_ANSWER, Outcome, judged, without
from ingestor.notices.signing import headers
from store.notices.channels import Address

READ_BYTES: Final = 4096
"""Of an answer; whatever else comes is not read."""


class PublicResolver(AbstractResolver):
    """Resolves names, and lets none pass that leads to where no channel may."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises ForbiddenAddressError; OSError where there are none."""
        found = await self._inner.resolve(host, port, family)
        check(host, (one["host"] for one in found))
        return found

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._inner.close()


async def post(address: Address, message: str, event: Mapping[str, Any], *, timeout_s: float, private: bool) -> Outcome:
    """Send it once; what came of it, whatever came. `private` lets it reach addresses of one's own network."""
    body = json.dumps(event, ensure_ascii=False).encode()
    now = datetime.now(UTC)
    try:
        url = URL(address.url)
        if not private:
            # a literal address is not resolved
            check(url.host or "", [url.host or ""] if _is_literal(url.host or "") else [])
        resolver = ThreadedResolver() if private else PublicResolver()
        connector = aiohttp.TCPConnector(resolver=resolver, limit=1, force_close=True, use_dns_cache=False)
        async with asyncio.timeout(timeout_s), _session(connector) as session:
            signed = headers(address.secret, message, now, body)
            async with session.post(url, data=body, headers=signed, allow_redirects=False) as response:
                said = (await response.content.read(READ_BYTES)).decode("utf-8", "replace")
                return judged(
                    response.status,
                    _plain(without(said, address.url)),
                    response.headers.get("Retry-After"),
                    datetime.now(UTC),
                )
    except ForbiddenAddressError as error:
        return Outcome("dead", str(error)[:MAX_ANSWER])
    except TimeoutError:
        return Outcome("again", f"no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        forbidden = _cause(error)
        if forbidden is not None:
            return Outcome("dead", str(forbidden)[:MAX_ANSWER])
        said = without(f"{type(error).__name__}: {error}", address.url)
        return Outcome("again", _plain(said)[:MAX_ANSWER])


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    # what comes back is not unpacked: a little of it might be a lot
    identity = {"Accept-Encoding": "identity", "User-Agent": "Wattline"}
    return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False, headers=identity)


def _is_literal(host: str) -> bool:
    """Whether a host is an address in any writing that the system's resolver takes for one, such as 127.1 or 0x7f.1."""
    if ":" in host:
        return True
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _cause(error: BaseException | None) -> ForbiddenAddressError | None:
    while error is not None:
        if isinstance(error, ForbiddenAddressError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _plain(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:MAX_ANSWER]
