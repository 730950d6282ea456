"""Receipts: which messages the store holds, gathered after each commit and told to the devices every few seconds."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Session
from ingestor.batches.rows import instant
from ingestor.metrics import Metrics
from ingestor.writing.receipt_clock import Clock

log = structlog.get_logger()

MOST_GATHERED: Final = 50_000
"""Ranges kept between two publications, about 0.4 KiB each; when there are as many, they are told at once."""
MOST_RANGES: Final = 1024
MOST_BOOTS: Final = 64
_AT_A_STRETCH: Final = 250
"""Receipts published before other tasks get their turn: a millisecond or so."""
_MOST_UNSENT_BYTES: Final = 256 * 1024
_MARGIN_BYTES: Final = 1024 * 1024
_PAUSE_S: Final = 0.01
_PATIENCE_S: Final = 5.0
"""How long a broker that takes no more is waited for; what is left then is dropped."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The payload of one message to a device; `covered` is how many messages of the device it names."""

    device: str
    payload: bytes
    covered: int


class Gatherer:
    """Numbers by device and boot, as ranges; no I/O. What comes when it is full is not taken, which `add` tells."""

    def __init__(self, most: int = MOST_GATHERED) -> None:
        self._most = most
        self._ranges = 0
        self._devices: dict[str, dict[str, list[int]]] = {}

    @property
    def full(self) -> bool:
        """Whether it is time to take what is gathered."""
        return self._ranges >= self._most

    def add(self, stored: Iterable[tuple[str, str, int]]) -> int:
        """Enter (device, boot, seq) of messages that are in the store; returns how many there was no room for."""
        refused = 0
        for device, boot, seq in stored:
            boots = self._devices.get(device)
            ends = None if boots is None else boots.get(boot)
            # the ends of ranges one after the other; nearly all messages only move the last one on
            if ends is not None and ends[-2] <= seq <= ends[-1] + 1:
                ends[-1] = max(seq, ends[-1])
            elif self._ranges >= self._most:
                refused += 1
            else:
                self._ranges += 1
                if ends is not None:
                    ends += (seq, seq)
                else:
                    self._devices.setdefault(device, {})[boot] = [seq, seq]
        return refused

    def take(self, at: str = "") -> Iterator[Receipt]:
        """All that is gathered, as messages of at most MOST_RANGES ranges and MOST_BOOTS boots; it is empty then.

        `at` is the time, which each of them says.
        """
        devices, self._devices, self._ranges = self._devices, {}, 0
        for device, boots in devices.items():
            yield from _receipts(device, boots, at)


def _receipts(device: str, boots: dict[str, list[int]], at: str) -> Iterator[Receipt]:
    parts: list[str] = []
    ranges = covered = 0
    for boot, ends in boots.items():
        merged = iter(_merged(ends))
        while piece := list(islice(merged, MOST_RANGES - ranges)):
            parts.append(f'"{boot}":[{",".join(f"[{first},{last}]" for first, last in piece)}]')
            ranges += len(piece)
            covered += sum(last - first + 1 for first, last in piece)
            if ranges >= MOST_RANGES or len(parts) >= MOST_BOOTS:
                yield _receipt(device, parts, covered, at)
                parts, ranges, covered = [], 0, 0
    if parts:
        yield _receipt(device, parts, covered, at)


def _receipt(device: str, parts: list[str], covered: int, at: str) -> Receipt:
    """By hand, for it is made as often as messages are where many devices send one now and then."""
    said = f'"at":"{at}",' if at else ""
    return Receipt(device, ("{" + said + '"boots":{' + ",".join(parts) + "}}").encode(), covered)


def _merged(ends: list[int]) -> list[tuple[int, int]]:
    """Ranges in their order, with a gap between each two."""
    if len(ends) == 2:
        return [(ends[0], ends[1])]
    merged: list[tuple[int, int]] = []
    for first, last in sorted(zip(ends[::2], ends[1::2], strict=True)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


class Receipts:
    """Tells devices what was committed. Nothing is kept for a broker that is away: a repeat gets its receipt again.

    Devices set their time by receipts where their own clock is wrong: they are dated by the one clock that all
    ingestors go by, and not by that of this host.
    """

    def __init__(self, session: Session, topics: Topics, every_s: float, clock: Clock, metrics: Metrics) -> None:
        self._session = session
        self._topics = topics
        self._clock = clock
        self._every_s = every_s
        self._metrics = metrics
        self._gatherer = Gatherer()
        self._due = asyncio.Event()

    def committed(self, stored: Iterable[tuple[str, str, int]]) -> None:
        """Take (device, boot, seq) of messages whose transaction is committed, in the store or in its quarantine."""
        refused = self._gatherer.add(stored)
        if refused:
            self._metrics.receipts_dropped.labels("full").inc(refused)
        if self._gatherer.full:
            self._due.set()

    async def keep(self) -> None:
        """Publish what is gathered every so often, for ever."""
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._due.wait()
            except TimeoutError:
                pass
            await self.publish()

    async def publish(self) -> None:
        """Tell all that is gathered, and drop what the connection does not take now."""
        self._due.clear()
        receipts = self._gatherer.take(
            f"{instant(self._clock.now_us()):%FT%T.%fZ}" if self._clock.known.is_set() else ""
        )
        until_s = time.monotonic() + _PATIENCE_S
        while some := list(islice(receipts, _AT_A_STRETCH)):
            while self._session.unsent_bytes > _MOST_UNSENT_BYTES and time.monotonic() < until_s:
                await asyncio.sleep(_PAUSE_S)
            sent = covered = lost = 0
            for receipt in some:
                if self._post(receipt):
                    sent += 1
                    covered += receipt.covered
                else:
                    lost += receipt.covered
            self._metrics.receipts.inc(sent)
            self._metrics.receipts_covered.inc(covered)
            if lost:
                self._metrics.receipts_dropped.labels("broker").inc(lost)
                log.debug("receipts_dropped", messages=lost, connected=self._session.connected)
            await asyncio.sleep(0)

    def _post(self, receipt: Receipt) -> bool:
        if self._session.unsent_bytes > _MOST_UNSENT_BYTES + _MARGIN_BYTES:
            return False
        return self._session.post(self._topics.of(Kind.RECEIPTS, receipt.device), receipt.payload)
