"""Which software a device should run, and what became of it: the messages below `devices/{device}/software/`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from broker.contract.messages import At, Message, Reason, Short
from broker.patterns import RELEASE, SOURCE, whole

ReleaseVersion = Annotated[str, StringConstraints(pattern=whole(RELEASE))]
Source = Annotated[str, StringConstraints(max_length=1024, pattern=whole(SOURCE))]
SoftwareState = Literal["refused", "waiting", "fetching", "trial", "confirmed", "rolled_back"]


class SoftwareDesired(Message):
    """What a device should run; `version` rises with each change, and says nothing of the release.

    It names a release and proves nothing: what that consists of, a device believes its publishers' signed documents
    alone (The Update Framework), which stand below `source`, as do its files: `source/files/<sha256>`.
    """

    version: Annotated[int, Field(ge=1, le=2**53)]
    release: ReleaseVersion
    source: Source
    probation_s: Annotated[float, Field(ge=10, le=86400)] = 600.0
    """How long the new software has to prove itself before the old one returns."""
    memory_limit_mib: Annotated[float, Field(ge=32, le=4096)] = 128.0
    """What the agent may hold during its probation."""
    author: Short = "system"
    at: At | None = None
    again: bool = False
    """Whether a person wants the release tried however often it was undone here."""


class SoftwareReported(Message):
    """What became of the newest `SoftwareDesired`: `version` and `release` are its own.

    `running` is the release in force, which is on trial in the state `trial`. `refused` and `rolled_back` have
    `reasons`, and so has `waiting`, which goes on by itself. `octets` were fetched for it, `seconds` passed from its
    coming to this state. Of two reports of one `memory` of the updater, which begins anew where that was lost, the one
    with the higher `number` is newer, whichever comes later; of others nothing is said by these.
    """

    version: Annotated[int, Field(ge=1, le=2**53)]
    state: SoftwareState
    release: ReleaseVersion
    running: ReleaseVersion
    at: At
    reasons: Annotated[tuple[Reason, ...], Field(max_length=16)] = ()
    octets: Annotated[int, Field(ge=0, le=2**53)] = 0
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    memory: Short = ""
    number: Annotated[int, Field(ge=0, le=2**53)] = 0
