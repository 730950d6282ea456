"""Claims on meters at work: judged over and over, granted by the owner's silence or a person's word."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import structlog

from broker.contract.messages import Registration
from gateway.database import one_round
from gateway.desired.change import Change, Configuration
from gateway.events import record_event
from gateway.faults import conflict, invalid, unknown
from gateway.fleet.claims import Claim, SilenceLimits, Why, granted, silent_since
from gateway.fleet.devices import require_device
from gateway.fleet.registration import register
from gateway.fleet.store.claims import (
    claim_counts,
    claims_behind,
    describe_moves,
    drop_claim,
    due_claims,
    find_claim,
    forget_claims,
    moves_to_retry,
    note_retry,
    put_off_claims,
    refuse_claim,
    spoken_of,
)
from gateway.fleet.store.meters import meters_by_key
from gateway.jobs.queueing import queue_retry
from gateway.meter_claims.store import is_ingesting, registration_of
from gateway.metrics import Metrics
from gateway.principals import SYSTEM
from gateway.quotas import Quotas
from gateway.store import Severity
from store.errors import DATABASE_ERRORS, refuses_data
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
DEVICES_AT_ONCE: Final = 20
"""Devices whose claims are judged in one round; what else is due waits for the next."""
MOVES_AT_ONCE: Final = 100
AGAIN_S: Final = 120.0
"""Quarantine is taken in once more after so long: what an ingestor judged before the move is stored within a minute."""
SETTLED_S: Final = 300.0
"""Nobody counts as silent before all could be heard for so long, or for the silence where that is less: after an outage
of the platform's own, or the start of a gateway that can't know of one, devices need a while to come back."""
HEARD_S: Final = 60.0
"""What devices sent so long ago must be stored, or nobody is heard; ingestors note it every 5 s."""
GONE_S: Final = 3600.0
"""An ingestor that has not said for so long how far it is has been taken away, and nobody waits for what it had."""
LATER_S: Final = 60.0
"""Claims that wait are judged again after so long, or a tenth of the silence where that is less."""


class MeterClaims:
    """Judges claims for ever; what it knows is in the store, and of two gateways one grants.

    Judging takes no lock. What seems to be granted is judged again under the lock of configuration.
    """

    def __init__(
        self,
        pool: Pool,
        configuration: Configuration,
        metrics: Metrics,
        limits: SilenceLimits,
        tick_s: float,
        is_connected: Callable[[], bool],
        quotas: Quotas,
    ) -> None:
        self._pool = pool
        self._configuration = configuration
        self._metrics = metrics
        self._limits = limits
        self._tick_s = tick_s
        self._is_connected = is_connected
        self._quotas = quotas
        self._hears_since_s: float | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Judge what is due now."""
        self._wake.set()

    async def run(self) -> None:
        """Judge for ever, every `tick_s` or when woken."""
        while True:
            self._wake.clear()
            await one_round(self._round, "gateway.meter_claims", self._metrics)
            try:
                async with asyncio.timeout(self._tick_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def move(self, key: str, device: str, since: datetime | None, *, author: str, reason: str | None) -> Claim:
        """Give a meter to a device that shows it, from `since` on, else from when that would be by itself.

        What stands behind it at its owner's, and the device shows too, goes with it. Returns the claim that was
        granted. Raises Refusal: unknown, conflict where the device has the meter or does not show it, invalid for a
        time that is to come.
        """
        if since is not None and since > datetime.now(UTC):
            raise invalid("since", "it is to come", "give the time from which on the meter stood there")
        async with self._configuration.changing() as change:
            claim = await _claim_to_decide(change.connection, key, device)
            held: list[tuple[Claim, Why]] = [
                (one, "person") for one in (claim, *await claims_behind(change.connection, key, device))
            ]
            at = {one.key: one.at if since is None else since for one, _ in held}
            if key not in await self._grant(change, held, at, author=author, reason=reason):
                raise conflict(f"{key} stands behind a meter that is not {device}'s: move that one")
        self.wake()
        return claim

    async def refuse(self, key: str, device: str, *, author: str, reason: str | None) -> Claim:
        """Have a device's claim wait until `move` says otherwise. Raises Refusal: unknown, conflict."""
        async with self._configuration.changing() as change:
            claim = await _claim_to_decide(change.connection, key, device)
            await refuse_claim(change.connection, claim.meter_id, claim.device_id, author)
            detail = {"owner": claim.owner, "author": author, "reason": reason}
            await record_event(change.connection, "meter_claim_refused", device=device, meter=key, detail=detail)
        self._metrics.claims.labels("refused").inc()
        return claim

    async def _round(self) -> bool:
        await self._listen()
        due = await due_claims(self._pool, DEVICES_AT_ONCE)
        for _, claims in groupby(due, key=lambda claim: claim.device_id):
            await self._try_to_judge(list(claims))
        await self._take_in()
        await forget_claims(self._pool)
        counts = await claim_counts(self._pool)
        self._metrics.claims_open.labels("waiting").set(counts.waiting)
        self._metrics.claims_open.labels("disputed").set(counts.disputed)
        return True

    async def _listen(self) -> None:
        """Note since when broker and ingestors have been there."""
        # nobody is heard either while the question fails
        since_s, self._hears_since_s = self._hears_since_s, None
        if self._is_connected() and await is_ingesting(self._pool, HEARD_S, GONE_S):
            self._hears_since_s = time.monotonic() if since_s is None else since_s

    @property
    def _settled(self) -> bool:
        since_s = self._hears_since_s
        return since_s is not None and time.monotonic() - since_s >= min(SETTLED_S, self._limits.silence_s)

    async def _try_to_judge(self, claims: Sequence[Claim]) -> None:
        """Judge one device's claims; what fails for what it registered must not stop those of all others."""
        try:
            await self._judge(claims)
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS) and not refuses_data(error):
                raise
            self._metrics.rounds_refused.labels("gateway.meter_claims").inc()
            log.exception("claims_not_judged", device=claims[0].device)
            await self._put_off(claims)

    async def _judge(self, claims: Sequence[Claim]) -> None:
        """Grant what holds of one device's claims, and put the others off."""
        held = await self._silent(
            [(claim, why) for claim, why in granted(claims, self._limits) if why != "silent" or self._settled]
        )
        moved: frozenset[str] = frozenset()
        if held:
            async with self._configuration.changing() as change:
                # another gateway may have granted it, or the owner be back
                fresh = [await find_claim(change.connection, claim.key, claim.device) for claim, _ in held]
                still = granted([claim for claim in fresh if claim is not None], self._limits)
                moved = await self._grant(change, still, {claim.key: claim.at for claim, _ in still})
        await self._put_off([claim for claim in claims if claim.key not in moved])

    async def _put_off(self, claims: Sequence[Claim]) -> None:
        await put_off_claims(
            self._pool, [claim.meter_id for claim in claims], [claim.device_id for claim in claims],
            [claim.disputed for claim in claims], min(LATER_S, self._limits.silence_s / 10),
        )  # fmt: skip

    async def _silent(self, held: Sequence[tuple[Claim, Why]]) -> list[tuple[Claim, Why]]:
        """Without those whose owner has sent anything of them of late, be it of long ago: its outbox drains."""
        silent = silent_since(held, self._limits)
        if not silent:
            return list(held)
        quiet = [claim for claim, _ in held if claim.key in silent]
        speaking = set(
            await spoken_of(
                self._pool, [claim.meter_id for claim in quiet], [claim.owner_id for claim in quiet],
                [silent[claim.key] for claim in quiet],
            )
        )  # fmt: skip
        return [(claim, why) for claim, why in held if claim.meter_id not in speaking]

    async def _grant(
        self,
        change: Change,
        held: Sequence[tuple[Claim, Why]],
        at: Mapping[str, datetime],
        *,
        author: str = SYSTEM,
        reason: str | None = None,
    ) -> frozenset[str]:
        """Enter the claimant's registration anew, now that these meters are its own; the keys of those that it got.

        All claims are of one device. A meter behind one that stays where it is stays, too.
        """
        if not held:
            return frozenset()
        connection, (first, _) = change.connection, held[0]
        document = await registration_of(connection, first.device_id)
        if document is None:
            return frozenset()
        registration = Registration.parse(document.encode())
        outcome = await register(connection, first.device, registration, datetime.now(UTC), self._quotas, at)
        there = await meters_by_key(connection, [claim.key for claim, _ in held])
        own = {one.key for one in there if one.device_id == first.device_id}
        moved = [(claim, why) for claim, why in held if claim.key in own]
        for claim, why in moved:
            await drop_claim(connection, claim.meter_id, claim.device_id)
            # a person's word may reach into what the owner has told
            floor = at[claim.key] if at[claim.key] < claim.at else claim.read_at
            await describe_moves(connection, [claim.key], [floor], why, author)
            await _tell(connection, claim, why, at[claim.key], author=author, reason=reason)
            self._metrics.claims.labels(why).inc()
            log.info("meter_moved", meter=claim.key, owner=claim.owner, device=claim.device, why=why, author=author)
        await change.rebuild(sorted(outcome.touched | {claim.owner_id for claim, _ in moved}))
        return frozenset(claim.key for claim, _ in moved)

    async def _take_in(self) -> None:
        """Queue retries of what devices sent of meters before these became their own."""
        for move in await moves_to_retry(self._pool, MOVES_AT_ONCE):
            async with self._configuration.changing() as change:
                if (
                    not move.kept
                    or await queue_retry(
                        change.connection,
                        {"cause": "foreign_meter", "device": move.device, "meter": move.meter},
                        reason="the meter has become the device's",
                    )
                    is not None
                ):
                    await note_retry(change.connection, move.id, AGAIN_S)


async def _claim_to_decide(connection: Connection, key: str, device: str) -> Claim:
    """A claim that a person decides of. Raises Refusal: unknown, conflict."""
    claimant = await require_device(connection, device)
    stored = await meters_by_key(connection, [key])
    if not stored:
        raise unknown("meter", key)
    if stored[0].device_id == claimant.id:
        raise conflict(f"{key} is {device}'s already")
    claim = await find_claim(connection, key, device)
    if claim is None or not claim.shown:
        raise conflict(f"{device} does not show {key}: plug it in there, and ask again")
    return claim


async def _tell(
    connection: Connection, claim: Claim, why: Why, at: datetime, *, author: str, reason: str | None
) -> None:
    detail = {"from": claim.owner, "to": claim.device, "at": at.isoformat(), "why": why, "author": author}
    detail |= {"reason": reason} if reason else {}
    severity: Severity = "info" if why == "given_up" else "warning"
    device, meter = claim.device, claim.key
    await record_event(connection, "meter_moved", device=device, meter=meter, severity=severity, detail=detail)
