"""What is in memory of a meter."""

from dataclasses import dataclass, field

from ingestor.batches.ownership import EVER_US, NOBODYS, Ownership


@dataclass(slots=True)
class Meter:
    """A meter's id, whose it is, and its series by canonical code and unit and by every spelling met so far.

    `owner_id` and `owned_from_us` are those of `owned`, for the way of nearly all messages: an owner of None is nobody.
    `newest_us` is the newest sample entered: one of the same time may be a repeat. `used` says that it was needed
    since memory was last cleared of those that were not.
    """

    id: int
    points: dict[tuple[str, str], int] = field(default_factory=dict)
    series: dict[str, int] = field(default_factory=dict)
    newest_us: int = 0
    used: bool = False
    bytes: int = 0
    """What it was last taken to occupy."""
    owned: Ownership = NOBODYS
    owner_id: int | None = None
    owned_from_us: int = EVER_US

    def occupies(self) -> int:
        """About what it takes of memory, its entry and its key with it, measured on CPython 3.11."""
        return 740 + 90 * len(self.points) + 60 * len(self.series) + 100 * len(self.owned.past)

    def take_owner(self, owned: Ownership) -> None:
        """Note whose it is."""
        self.owned, self.owner_id, self.owned_from_us = owned, owned.device_id, owned.from_us
