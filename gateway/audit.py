"""The audit: a line for each change over HTTP and for each refused attempt, in the table and in the log."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from broker.errors import ContractError
from gateway.access import Principal
from gateway.adoption import HAND
from gateway.database import Connection
from gateway.events import clean
from gateway.metrics import Metrics
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
MAX_TEXT = 1000
NOBODY = "-"
"""The actor of an attempt without a valid token."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tried; `action` is the operation's name, as OpenAPI has it."""

    action: str
    method: str
    path: str
    address: str
    query: str = ""
    body: bytes = b""


async def audit_by_hand(connection: Connection, topic: str, payload: bytes, error: ContractError) -> None:
    """Enter a refused message of a person's own; MQTT does not say whose, nor from where."""
    what = Attempt("publishByHand", "PUBLISH", topic, NOBODY, body=payload)
    await connection.execute(load("add_audit"), *_row(HAND, None, what, 422, str(error)))


def _row(actor: str, role: str | None, what: Attempt, status: int, result: str) -> tuple[Any, ...]:
    texts = (what.path, what.query, what.body[: 4 * MAX_TEXT].decode("utf-8", "replace"))
    cut = (clean(text)[:MAX_TEXT] for text in texts)
    return actor, role, what.address, what.action, what.method, *cut, status, clean(result)[:MAX_TEXT]


class Audit:
    """Writes audit lines. One that the database can't take is in the log all the same, and counted."""

    def __init__(self, pool: Pool, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics

    async def line(self, who: Principal | None, what: Attempt, status: int, result: str) -> None:
        """Enter what came of an attempt."""
        actor, role = (who.name, str(who.role)) if who else (NOBODY, None)
        refused = status >= 400
        self._metrics.audited.labels(what.action, "refused" if refused else "done").inc()
        log.log(
            30 if refused else 20, "audit", actor=actor, role=role, address=what.address, action=what.action,
            path=what.path[:200], status=status, result=result[:200],
        )  # fmt: skip
        try:
            await self._pool.execute(load("add_audit"), *_row(actor, role, what, status, result))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            self._metrics.audit_failures.inc()
            log.warning("audit_not_stored", action=what.action, reason=str(error) or type(error).__name__)
