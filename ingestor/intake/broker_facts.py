"""What the broker says of itself on its `$SYS` topics: to a metric, and to the log where an operator should act."""

from typing import Final

import structlog

from broker.mosquitto.version import version_fault
from ingestor.metrics import Metrics

log = structlog.get_logger()

DROPPED: Final = "$SYS/broker/publish/messages/dropped"
VERSION: Final = "$SYS/broker/version"
SUBSCRIPTIONS: Final = ((DROPPED, 0), (VERSION, 0))


class BrokerFacts:
    """Takes the broker's own messages out of the stream; a version that is too old is logged once for each one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._version = ""

    def take(self, topic: str, payload: bytes) -> bool:
        """Whether this was one of the broker's own messages."""
        if topic == DROPPED:
            self._metrics.broker_dropped.set(_number(payload))
        elif topic == VERSION:
            self._note_version(payload.decode(errors="replace"))
        else:
            return False
        return True

    def _note_version(self, version: str) -> None:
        if version == self._version:
            return
        self._version = version
        if fault := version_fault(version):
            log.error("broker_too_old", reason=fault, fix="install a newer Mosquitto: docs/OPERATE.md")


def _number(payload: bytes) -> float:
    try:
        return float(payload)
    except ValueError:
        return float("nan")
