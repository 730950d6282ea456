"""All kinds of jobs, by name."""

from collections.abc import Mapping
from typing import Any, Final

from store.kinds.backup import BACKUP
from store.kinds.export import EXPORT
from store.kinds.frames import REDECODE, RETRY
from store.kinds.importing import IMPORT
from store.kinds.kind import Kind
from store.kinds.recompute import RECOMPUTE
from store.kinds.report import REPORT

KINDS: Final[Mapping[str, Kind[Any]]] = {
    one.name: one for one in (REDECODE, RETRY, RECOMPUTE, EXPORT, IMPORT, REPORT, BACKUP)
}
