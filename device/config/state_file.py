"""The state of a device's configuration, as one file: each change of it is one atomic write."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
from pydantic import Field

from broker.contract.messages import Desired, Message, MeterKey, Reason, Short
from broker.errors import ContractError
from device.sealed_file import read_either, write_twice

log = structlog.get_logger()

WATCHED_MAX: Final = 256
Seconds = Annotated[float, Field(ge=0)]
Part = dict[Short, Any]
"""Fields with the values that failed together, such as `parameters.obis_include`; mostly one field."""


class Watched(Message):
    """A meter that a configuration on probation must not silence; `patience_s` is three of its own periods.

    `from_s` is when its own probation began, by the trial's `elapsed_s`. `why` says why it gave no good reading in time
    where going back would not help it.
    """

    patience_s: Seconds = 0.0
    from_s: Seconds = 0.0
    proven: bool = False
    why: str = ""

    @property
    def open(self) -> bool:
        """Whether its first good reading is still waited for."""
        return not (self.proven or self.why)


class Trial(Message):
    """A configuration in force that must prove itself; `elapsed_s` counts while the agent runs, over restarts.

    With nobody in `watched` it waits for the first meter that speaks.
    """

    desired: Desired
    watched: dict[MeterKey, Watched]
    elapsed_s: Seconds = 0.0
    starts: int = 0


class Failed(Message):
    """The newest configuration that is not wholly in force because of what was reverted.

    `parts` is what failed, by content; it was tried as version `tried`. `told` once the revert's event is in the outbox
    and on the disk.
    """

    desired: Desired
    reasons: tuple[Reason, ...]
    told: bool = False
    parts: tuple[Part, ...] = ()
    tried: int = 0


class Spare(Message):
    """The good configuration before the one in force, for meters that have not been heard since."""

    desired: Desired
    unheard: tuple[MeterKey, ...]


class ConfigState(Message):
    """The last good configuration, the one on probation, and the one that is not to be tried again.

    `read` names the meters that gave readings under the good one, with their patience.
    """

    good: Desired | None = None
    trial: Trial | None = None
    failed: Failed | None = None
    spare: Spare | None = None
    read: dict[MeterKey, Seconds] = Field(default_factory=dict)

    @property
    def in_force(self) -> Desired | None:
        """The configuration that holds."""
        return self.trial.desired if self.trial else self.good

    @property
    def newest_version(self) -> int:
        """The highest version that was ever in force."""
        newest = [one.desired.version for one in (self.trial, self.failed) if one is not None]
        return max([*newest, self.good.version if self.good else 0])


class ConfigStateFile:
    """`desired.json` in the data folder; either the old or the new state after a power cut.

    Where it is damaged its copy counts; where that is, too, none is in force, and the retained message brings it again.
    `damage` says what was found wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damage = ""

    def load(self) -> ConfigState:
        """What was saved last; an unreadable file is reported and left, and nothing is in force then."""
        try:
            found = read_either(self._path)
            self.damage = found.damage
            return _read(found.data)
        except FileNotFoundError:
            return ConfigState()
        except (OSError, ContractError, ValueError, ArithmeticError, RecursionError) as error:
            self.damage = str(error)[:1000]
            log.warning("desired_unreadable", path=str(self._path), error=self.damage)
            return ConfigState()

    def save(self, state: ConfigState) -> None:
        """Replace it. A disk that refuses is reported: the retained message brings the configuration again."""
        try:
            write_twice(self._path, state.payload())
        except OSError as error:
            log.warning("desired_not_saved", path=str(self._path), error=str(error))


def _read(data: bytes) -> ConfigState:
    document = json.loads(data)
    if isinstance(document, dict) and "version" in document:
        # an agent of before probation kept the configuration itself
        return ConfigState(good=Desired.model_validate_json(data, extra="ignore"))
    return ConfigState.model_validate_json(data, extra="ignore")
