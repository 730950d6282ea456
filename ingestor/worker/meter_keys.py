"""Keys of meters while their kept frames are decoded: opened for a portion, and in memory for that long alone."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from broker.errors import PermanentError
from ingestor.worker.store import job_keys
from meters.wires.meter_key import MeterKey
from store.meter_keys import MasterKeys, NotOpenedError
from store.pool import Pool

log = structlog.get_logger()


async def keys_of(pool: Pool, file: Path | None, meter_ids: Collection[int]) -> Mapping[str, MeterKey]:
    """The keys of those of these meters that have one, by meter; of one that can't be opened frames stay undecoded.

    Raises PermanentError where there are keys and the master key can't be read, and DATABASE_ERRORS.
    """
    sealed = await job_keys(pool, sorted(meter_ids))
    if not sealed:
        return {}
    if file is None:
        raise PermanentError("its meters have keys, and this worker no WATTLINE_WORKER_METER_KEYS_FILE to open them by")
    master = await asyncio.to_thread(MasterKeys.load, file)
    found = dict[str, MeterKey]()
    for one in sealed:
        try:
            values = master.open(one.meter, one.master, one.sealed)
        except NotOpenedError as error:
            log.warning("meter_key_not_opened", meter=one.meter, reason=str(error))
            continue
        found[one.meter] = MeterKey.parse(values["encryption"], values.get("authentication", ""))
    return found
