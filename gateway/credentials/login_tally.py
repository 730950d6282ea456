"""Logins at the broker, counted by name and minute in bounded memory; pure."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.contract.identity import GATEWAY, INGESTOR, is_reserved
from broker.mosquitto.login_log import Attempt, Result

NAMES: Final = 20
"""Refused names of one minute that are told apart, so that who makes names up floods neither table nor audit."""
PEOPLE: Final = 100
"""People of one hour that are told apart, and names that are not known as one more."""
OTHERS: Final = "*"
"""Stands for all further names; of who was let in, for a name that is not known."""
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Logins:
    """How often a name was let in or refused from a time on: of a minute, or of an hour where a person was let in."""

    at: datetime
    name: str
    refused: bool
    times: int
    address: str = ""


class LoginTally:
    """Counts the attempts of the present minute.

    Devices and services that are let in are counted together; people by name, once an hour for the audit, as is whoever
    hides the name by a client id that is too long for the broker's log.
    """

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._addresses: dict[str, str] = {}
        self._let_in = 0
        self._people: dict[tuple[datetime, str], Logins] = {}

    def note(self, one: Attempt, now: datetime) -> None:
        """Count one."""
        if one.result is Result.REFUSED:
            name = one.name if one.name in self._refused or len(self._refused) < NAMES else OTHERS
            self._refused[name] += 1
            self._addresses.setdefault(name, one.address)
        elif one.result is Result.LET_IN:
            self._let_in += 1
            if not one.name or (is_reserved(one.name) and one.name not in (INGESTOR, GATEWAY)):
                self._note_person(one.name or OTHERS, one.address, _hour(now))

    def _note_person(self, name: str, address: str, hour: datetime) -> None:
        if len(self._people) < PEOPLE:
            self._people.setdefault((hour, name), Logins(hour, name, refused=False, times=1, address=address))

    def take(self, at: datetime) -> list[Logins]:
        """What was counted since the last call, as of the minute that begins at `at`; people till their hour ends."""
        found = [
            Logins(at, name, refused=True, times=times, address=self._addresses[name])
            for name, times in self._refused.items()
        ]
        if self._let_in:
            found.append(Logins(at, "", refused=False, times=self._let_in))
        self._refused.clear()
        self._addresses.clear()
        self._let_in = 0
        people = list(self._people.values())
        self._people = {key: one for key, one in self._people.items() if one.at >= _hour(at)}
        return [*found, *people]


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
