"""The agent's watch over its token: a connection is made only when the key can be used, and a fault is told."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from device.token.order import AgentToken
from device.token.provider import load_provider
from device.token_uri import TokenUri

log = structlog.get_logger()
FIRST_S: Final = 2.0
CAP_S: Final = 60.0
"""How often a token that can't be used is looked at: somebody may have put it in again."""


class TokenWatch:
    """Whether the key of the certificate in a file can be used; `fault` says why not, `key_is_gone` that it never can.

    A token is asked by another process, which sees it as it is now; and so a PIN that it refuses is never tried twice.
    """

    def __init__(self, uri: str, certificate: Path) -> None:
        self._uri = TokenUri.parse(uri)
        self._token = AgentToken(uri, certificate)
        self._folder = certificate.parent
        self._is_loaded = False
        self._backoff = Backoff(first_s=FIRST_S, cap_s=CAP_S)
        self.fault = ""
        self.key_is_gone = False

    async def usable(self) -> bool:
        """Look, and log what is wrong, once for each reason."""
        fault = await self._found()
        if fault and fault != self.fault:
            log.error("token_unusable", reason=fault, next="readings are kept; the token is looked at again")
        elif self.fault and not fault:
            log.info("token_usable")
        self.fault = fault
        if not fault:
            self._backoff = Backoff(first_s=FIRST_S, cap_s=CAP_S)
        return not fault

    def pause_s(self) -> float:
        """For how long to wait before the next look."""
        return self._backoff.next_s()

    async def _found(self) -> str:
        try:
            if not self._is_loaded:
                await asyncio.to_thread(load_provider, self._uri, self._folder)
                self._is_loaded = True
        except (PermanentError, OSError) as error:
            return str(error)
        answer = await self._token.seen()
        self.key_is_gone = answer.gone
        return answer.fault
