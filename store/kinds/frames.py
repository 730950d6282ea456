"""Kept frames and payloads taken again: what they are asked for stands in columns of their own (spec, selection)."""

from typing import Final

from store.kinds.kind import Kind, NoArguments

# a slip of our own code would come again with the same frames, and an outage of the database is no failure
REDECODE: Final = Kind(
    "redecode", NoArguments, "Kept frames decoded again into history, by the spec that their meters got.",
    unit="frames", attempts=1, heals=(),
)  # fmt: skip
RETRY: Final = Kind(
    "retry", NoArguments, "Payloads in quarantine taken again, once the cause is mended.",
    unit="payloads", attempts=1, heals=(),
)  # fmt: skip
