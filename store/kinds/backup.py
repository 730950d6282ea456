"""Backups of the platform into a folder of a worker's machine."""

from typing import Annotated, Final, Literal

from pydantic import Field

from store.kinds.kind import JobArguments, Kind

Place = Literal["settings", "certificates", "broker", "authority"]


class BackupArguments(JobArguments):
    """What is left out on purpose; where it goes and how many are kept is the worker's own setting."""

    without: Annotated[tuple[Place, ...], Field(max_length=4)] = Field(
        default=(),
        description='Left out on purpose, as ["broker"] where it is on another machine: the backup is a partial one.',
    )


BACKUP: Final = Kind(
    "backup",
    BackupArguments,
    "A verified backup of the platform into a folder of the worker's machine; old ones are removed.",
    unit="bytes",
    concurrent=1,
    attempts=3,
    first_s=300.0,
    most=3,
    by_hand=True,
)
