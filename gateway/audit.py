"""The audit: a line for each change over HTTP and for each refused attempt, in the table and in the log."""

from dataclasses import dataclass

import structlog

from broker.errors import ContractError
from gateway.events import clean
from gateway.metrics import Metrics
from gateway.principals import HAND, Principal
from gateway.store import add_audit
from store.errors import DATABASE_ERRORS, reason
from store.pool import Pool
from store.sql import Connection

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


@dataclass(frozen=True, slots=True)
class Line:
    """What came of an attempt, and whose it was."""

    actor: str
    role: str | None
    what: Attempt
    status: int
    result: str


async def enter(connection: Connection, line: Line) -> None:
    """Enter a line in the transaction of what it tells of. Raises DATABASE_ERRORS."""
    await add_audit(connection, *_fields(line.actor, line.role, line.what, line.status, line.result))


async def audit_by_hand(connection: Connection, topic: str, payload: bytes, error: ContractError | None = None) -> None:
    """Enter a message of a person's own, adopted or refused; MQTT does not say whose, nor from where."""
    what = Attempt("publishByHand", "PUBLISH", topic, NOBODY, body=payload)
    status, result = (200, "done") if error is None else (422, str(error))
    await add_audit(connection, *_fields(HAND, None, what, status, result))


def _fields(
    actor: str, role: str | None, what: Attempt, status: int, result: str
) -> tuple[str, str | None, str, str, str, str, str, str, int, str]:
    texts = (what.path, what.query, what.body[: 4 * MAX_TEXT].decode("utf-8", "replace"), result)
    path, query, body, outcome = (clean(text)[:MAX_TEXT] for text in texts)
    return actor, role, what.address, what.action, what.method, path, query, body, status, outcome


class Audit:
    """Writes audit lines. One that the database can't take is in the log all the same, and counted."""

    def __init__(self, pool: Pool, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics

    async def line(self, who: Principal | None, what: Attempt, status: int, result: str) -> None:
        """Enter what came of an attempt."""
        actor, role = (who.name, str(who.role)) if who else (NOBODY, None)
        await self.line_of(actor, role, what, status, result)

    async def line_of(self, actor: str, role: str | None, what: Attempt, status: int, result: str) -> None:
        """The same of an actor that is no principal: a device, by its claim or its login."""
        self.say(Line(actor, role, what, status, result))
        try:
            await add_audit(self._pool, *_fields(actor, role, what, status, result))
        except DATABASE_ERRORS as error:
            self._metrics.audit_failures.inc()
            log.warning("audit_not_stored", action=what.action, reason=reason(error))

    def say(self, line: Line) -> None:
        """Count and log a line; enter stores it."""
        refused = line.status >= 400
        self._metrics.audited.labels(line.what.action, "refused" if refused else "done").inc()
        log.log(
            30 if refused else 20, "audit", actor=line.actor, role=line.role, address=line.what.address,
            action=line.what.action, path=line.what.path[:200], status=line.status, result=line.result[:200],
        )  # fmt: skip
