"""The sources that may post, as the store has them; while it is away, as they were."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog
from pydantic import ValidationError

from broker.errors import PermanentError
from broker.outage import Outage
from broker.plain_errors import plain_reason
from intake.hooks.metrics import HookMetrics
from intake.hooks.proofs import Prover, prover
from intake.hooks.rates import Rate
from intake.hooks.shared_rates import SharedRates
from intake.hooks.store import HookSource, hook_sources
from store.errors import DATABASE_ERRORS, heals
from store.meter_keys import MasterKeys
from store.pool import Pool
from store.probe import DatabaseProbe
from store.source_settings import SourceSecret, SourceSettings, open_secret

log = structlog.get_logger()
READ_S: Final = 5.0
AGAIN_S: Final = 0.5
"""So far apart at least are two reads, whoever asks for one: guesses cost the database no more than two a second."""
AGAIN_MOST_S: Final = 1.5
BURST_S: Final = 10.0
"""For how many seconds' worth of its bytes a source may send at once."""
_Row = tuple[str, str, bytes | None, str | None]


@dataclass(frozen=True, slots=True)
class Source:
    """A source and what proves its posts; `fault` is why none can be taken, where its row is of no use."""

    name: str
    settings: SourceSettings
    prover: Prover | None
    rate: Rate
    fault: str = ""
    until: datetime | None = None
    """When the secret before is believed no longer."""

    @property
    def needs_body(self) -> bool:
        """Whether a post is proved by its body only."""
        return self.prover is not None and self.prover.needs_body

    @property
    def id_header(self) -> str | None:
        """What else carries an idempotency key."""
        return None if self.prover is None else self.prover.id_header


class Sources:
    """All sources by name, read anew every few seconds; a row that did not change keeps its rate."""

    def __init__(
        self, keys: MasterKeys | None, metrics: HookMetrics, probe: DatabaseProbe, rates: SharedRates | None = None
    ) -> None:
        """`rates` is where all processes of this host count together."""
        self.known = False
        """Whether they were read at all."""
        self._keys = keys
        self._rates = rates
        self._metrics = metrics
        self._probe = probe
        self._outage = Outage()
        self._by_name: Mapping[str, Source] = {}
        self._rows: Mapping[str, _Row] = {}
        self._wanted = asyncio.Event()
        self._next_read = asyncio.Event()

    def find(self, name: str) -> Source | None:
        """The source of this name, None where there is none that may post."""
        return self._by_name.get(name)

    def check(self) -> tuple[bool, str]:
        """Whether the database answers, for /healthz."""
        return self._probe.check()

    async def read_again(self) -> None:
        """Have them read once more, and wait for it, AGAIN_MOST_S at most; a post may follow its source's change."""
        read = self._next_read
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_MOST_S):
                await read.wait()

    async def run(self, pool: Pool, every_s: float) -> None:
        """Read them for ever. Raises PermanentError where the role may not."""
        apart_s = min(AGAIN_S, every_s)
        while True:
            # who asks while this read is under way waits for the one after it
            read, self._next_read = self._next_read, asyncio.Event()
            self._wanted.clear()
            await self._read(pool)
            read.set()
            await asyncio.sleep(apart_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s - apart_s):
                    await self._wanted.wait()

    async def _read(self, pool: Pool) -> None:
        try:
            async with asyncio.timeout(READ_S):
                rows = await hook_sources(pool)
        except DATABASE_ERRORS as error:
            self._outage.failed("sources_not_read", reason=self._probe.failed(error))
            if not heals(error):
                raise PermanentError(f"the database refuses the sources: {error}") from error
        else:
            self._probe.answered()
            self._outage.back("database_back")
            self.take(rows)

    def take(self, rows: Iterable[HookSource]) -> None:
        """Believe these rows from now on."""
        found = {row[0]: (row[0], row[1], row[2], row[3]) for row in rows}
        made = {name: self._newest(row) for name, row in found.items()}
        if not self.known:
            log.info("sources_known", sources=len(found))
        self._by_name, self._rows, self.known = made, found, True
        self._metrics.sources.labels("usable").set(sum(not one.fault for one in made.values()))
        self._metrics.sources.labels("unusable").set(sum(bool(one.fault) for one in made.values()))

    def _newest(self, row: _Row) -> Source:
        """The source of a row: as it was where neither row nor time has changed it."""
        known = self._by_name.get(row[0])
        if known is None or self._rows.get(row[0]) != row:
            return self._made(row)
        if known.until is not None and datetime.now(UTC) >= known.until:
            return replace(self._made(row), rate=known.rate)
        return known

    def _made(self, row: _Row) -> Source:
        name, document, sealed, master = row
        fault, proving, settings, until = "", None, SourceSettings(), None
        try:
            settings = SourceSettings.model_validate_json(document)
            words: Sequence[str] = ()
            if settings.auth != "mtls":
                now, secret = datetime.now(UTC), self._secret(name, sealed, master)
                words = secret.valid(now)
                until = secret.before_until if len(words) > 1 else None
            proving = prover(settings, words)
        except ValidationError as error:
            fault = f"its settings are none: {plain_reason(error.errors()[0])}"
        except (PermanentError, ValueError) as error:
            fault = str(error)
        if fault:
            log.error("source_unusable", source=name, reason=fault, fix="set its settings and its secret again")
        per_s = settings.bytes_per_second
        left = None if self._rates is None else self._rates.of(name)
        rate = Rate(settings.posts_per_second, settings.burst, per_s, BURST_S * per_s, left)
        return Source(name, settings, proving, rate, fault, until)

    def _secret(self, name: str, sealed: bytes | None, master: str | None) -> SourceSecret:
        """What it signs with. Raises PermanentError or ValueError."""
        if sealed is None:
            raise ValueError("it has no secret")
        if self._keys is None:
            raise ValueError("this process has no master key to open its secret: METER_KEYS_FILE")
        return open_secret(self._keys, name, master or "", sealed)
