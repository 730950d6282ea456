"""All that a worker knows to do, by kind."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from ingestor.worker.context import Work
from ingestor.worker.kinds import backup, export, importing, recompute, redecode, report, retry

Works: TypeAlias = Mapping[str, Work[Any]]
WORKS: Final[Works] = {
    one.kind.name: one
    for one in (redecode.WORK, retry.WORK, recompute.WORK, export.WORK, importing.WORK, report.WORK, backup.WORK)
}
