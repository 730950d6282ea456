"""Years of CSV into history, by the mapping of a source."""

from typing import Final

from pydantic import Field

from broker.patterns import SOURCE_NAME, whole
from store.kinds.kind import JobArguments, Kind


class ImportArguments(JobArguments):
    """Which file, and by whose mapping."""

    file: int = Field(ge=1, le=2**53, description="The number of a file that was sent: POST /api/v1/job-files.")
    source: str = Field(pattern=whole(SOURCE_NAME), description="The source whose mapping says what its records mean.")
    version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Of the mapping; the one in force.")


IMPORT: Final = Kind(
    "import",
    ImportArguments,
    "A file of CSV or NDJSON into history, by a source's mapping; what history has already stays.",
    unit="bytes",
    concurrent=2,
    attempts=5,
    by_hand=True,
)
