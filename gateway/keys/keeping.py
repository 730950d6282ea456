"""What people do with keys of meters: set, replace, remove and release them, and see how each stands."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from gateway.desired.change import Configuration
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, unknown
from gateway.jobs.queueing import queue_job
from gateway.keys.master import MasterFile
from gateway.keys.rules import checked
from gateway.keys.store import (
    KeylessMeter,
    KeyMeter,
    KeyState,
    drop_key,
    key_meter,
    key_states,
    keyless_meters,
    put_key,
    release_key,
)
from store.pool import Pool
from store.sql import Connection, Database

log = structlog.get_logger()
CAME: Final = "its key came"


class MeterKeys:
    """The keys of all meters. Whoever asks is told that one is set, by whom and when, and never what it is."""

    def __init__(self, pool: Pool, configuration: Configuration, master: MasterFile, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._configuration = configuration
        self._master = master
        self._wake = wake

    async def set(self, meter: str, given: Mapping[str, str], author: str) -> KeyState:
        """Keep a meter's key, and have what is kept of it decoded by it. Raises Refusal."""
        values = checked(given)
        master = self._master.load()
        async with self._configuration.changing() as change:
            connection = change.connection
            found = await _standing(connection, meter, "set")
            fingerprint = master.fingerprint(values)
            sealed = master.seal(meter, values)
            await put_key(
                connection, found.id, sorted(values), sealed, master.newest, fingerprint, found.device_id or 0, author
            )
            detail = {"kinds": sorted(values), "fingerprint": fingerprint, "author": author}
            await record_event(connection, "meter_key_set", device=found.device, meter=meter, detail=detail)
            if found.spec is not None and "encryption" in values:
                await queue_job(connection, found.spec, [found.id], automatic=True, reason=CAME)
        log.info("meter_key_set", meter=meter, device=found.device, kinds=sorted(values), author=author)
        self._wake()
        return await self.show(meter)

    async def remove(self, meter: str, author: str) -> KeyState:
        """Forget a meter's key; the state that it had. Raises Refusal: unknown."""
        before = await self.show(meter)
        async with self._configuration.changing() as change:
            found = await _known(change.connection, meter)
            await drop_key(change.connection, found.id)
            detail = {"author": author}
            await record_event(change.connection, "meter_key_removed", device=found.device, meter=meter, detail=detail)
        log.info("meter_key_removed", meter=meter, device=found.device, author=author)
        self._wake()
        return before

    async def release(self, meter: str, author: str) -> KeyState:
        """Let the device at whose port a meter stands now have its key. Raises Refusal: unknown, conflict."""
        await self.show(meter)
        async with self._configuration.changing() as change:
            found = await _standing(change.connection, meter, "release")
            await release_key(change.connection, found.id, found.device_id or 0)
            detail = {"author": author}
            await record_event(change.connection, "meter_key_released", device=found.device, meter=meter, detail=detail)
        self._wake()
        return await self.show(meter)

    async def show(self, meter: str) -> KeyState:
        """What may be told of a meter's key. Raises Refusal: unknown."""
        found = await key_states(self._pool, meter)
        if not found:
            await _known(self._pool, meter)
            fix = "`wattline meter key list` shows those that have one, `wattline meter key set` sets one"
            raise Refusal(
                Kind.UNKNOWN, f"no key of {meter} is set; {fix}", [Fault("meter", f"no key of {meter} is set", fix)]
            )
        return found[0]

    async def all(self) -> tuple[list[KeyState], list[KeylessMeter]]:
        """All keys that are set, and the meters that want one."""
        return await key_states(self._pool, None), await keyless_meters(self._pool)


async def _known(database: Database, meter: str) -> KeyMeter:
    found = await key_meter(database, meter)
    if found is None:
        raise unknown("meter", meter)
    return found


async def _standing(connection: Connection, meter: str, what: str) -> KeyMeter:
    found = await _known(connection, meter)
    if found.device_id is None:
        raise conflict(f"{meter} stands at no device's port: {what} its key once a device has registered it")
    return found
