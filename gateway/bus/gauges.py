"""Puts those of a gateway's gauges into the store that boards and alerts show, as Grafana asks the store alone."""

import asyncio
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.bus.store import forget_gauges, put_gauges
from gateway.database import one_round
from gateway.metrics import Metrics
from store.pool import Pool

PREFIX: Final = "wattline_gateway_"
SHOWN: Final = ("credentials_unmatched", "enrolments_waiting", "certificate_end_seconds")
ROUNDS_KEPT: Final = 60
"""After so many rounds gateways that are gone are forgotten."""


class Gauges:
    """Writes them now and then."""

    def __init__(self, pool: Pool, gateway: str, metrics: Metrics, every_s: float) -> None:
        self._pool = pool
        self._gateway = gateway
        self._metrics = metrics
        self._every_s = every_s

    async def run(self) -> None:
        """Write for ever."""
        rounds = 0
        while True:
            names, ofs, values = zip(*shown(self._metrics.registry), strict=True)
            put = partial(put_gauges, self._pool, self._gateway, names, ofs, values)
            await one_round(put, "gateway.gauges", self._metrics)
            if not rounds:
                await one_round(partial(forget_gauges, self._pool), "gateway.gauges", self._metrics)
            rounds = (rounds + 1) % ROUNDS_KEPT
            await asyncio.sleep(self._every_s)


def shown(registry: CollectorRegistry) -> list[tuple[str, str, float]]:
    """Name, label and value of each that is shown."""
    return [
        (sample.name.removeprefix(PREFIX), sample.labels.get("of", ""), sample.value)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.removeprefix(PREFIX) in SHOWN
    ]
