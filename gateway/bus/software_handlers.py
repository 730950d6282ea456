"""What messages about software do: an updater's report is kept, and what the broker holds of ours is put right."""

import structlog

from broker.contract.messages import Message
from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.contract.topics import Address, Kind
from broker.errors import ContractError
from gateway.bus.publisher import Publisher
from gateway.bus.retained import Retained
from gateway.bus.store import SoftwareMark, software_marks
from gateway.desired.change import Configuration
from gateway.desired.state import load_states
from gateway.events import storable
from gateway.fleet.store.devices import ensure_device
from gateway.metrics import Metrics
from gateway.quotas import Quotas
from gateway.updates.reports import is_repeated, take_report
from store.pool import Pool

log = structlog.get_logger()


class SoftwareHandlers:
    """One method a kind of message; each commits before it returns, and doing it again changes nothing.

    They raise ContractError for a message that must go to quarantine, and asyncpg's errors.
    """

    def __init__(
        self,
        pool: Pool,
        configuration: Configuration,
        publisher: Publisher,
        retained: Retained,
        quotas: Quotas,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._configuration = configuration
        self._publisher = publisher
        self._retained = retained
        self._quotas = quotas
        self._metrics = metrics

    async def reported(self, address: Address, payload: bytes) -> str:
        """Keep what an updater says; one that is ahead of the store (restored from a backup) is overtaken."""
        if not payload:
            return "ignored"
        report = SoftwareReported.parse(storable(payload))
        device = address.device
        if await is_repeated(self._pool, device, report):
            return "repeated"
        async with self._configuration.changing() as change:
            connection = change.connection
            device_id = await ensure_device(connection, device)
            new = await take_report(connection, self._quotas, device_id, device, report, len(payload))
            [state] = await load_states(connection, [device_id])
            if state.software is not None and state.software_floor > state.software_version:
                await change.rebuild([device_id])
        if new:
            self._metrics.software_reports.labels(report.state).inc()
        return "stored"

    async def desired(self, address: Address, payload: bytes, *, retained: bool = False) -> str:
        """Compare what the broker holds with the store, which alone says what devices are to run.

        `retained` says that the broker held the message before we came.
        """
        device = address.device
        known = next(iter(await software_marks(self._pool, [device])), None)
        if holds(known, payload):
            return "in_step"
        given = None if retained else parsed(payload)
        # one of ours that comes back after its successor was stored; another's is found by the next comparison
        if given and is_overtaken(known, given) and self._publisher.is_software_echo(device, given.version):
            return "echo"
        if known is None:
            self._publisher.remove(device, Kind.SOFTWARE_DESIRED)
        elif known.announced:
            async with self._configuration.changing() as change:
                await change.republish_software([device])
        else:
            # it waits to be published, and comes by itself
            return "behind"
        self._metrics.restored.labels("software").inc()
        log.warning("software_restored", device=device, reason="removed" if not payload else "not what is desired")
        return "restored"

    def note_in_step(self, device: str) -> None:
        """Note that the broker holds of this device what the store does."""
        self._retained.software.add(device)


def holds(known: SoftwareMark | None, payload: bytes) -> bool:
    """Whether the broker's message is that of the store; none where nothing is desired. Pure."""
    wanted: Message | None = None if known is None else known.software
    return not payload if wanted is None else wanted == parsed(payload)


def is_overtaken(known: SoftwareMark | None, given: SoftwareDesired) -> bool:
    """Whether the store has a later version than this, or desires nothing any more. Pure."""
    return known is not None and (known.software is None or given.version < known.software.version)


def parsed(payload: bytes) -> SoftwareDesired | None:
    """A message of ours; None where it is none."""
    try:
        return SoftwareDesired.parse(payload)
    except (ContractError, ValueError, ArithmeticError, RecursionError):
        return None
