"""What the outbox knows of its messages beside the messages themselves, in two files that are written in turn."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from broker.errors import ContractError
from device.files import write_atomically
from device.index_set import IndexSet
from device.outbox_boots import Boots
from device.sealed_file import sealed, unsealed

log = structlog.get_logger()

NAMES: Final = ("state-0.json", "state-1.json")
OLD_NAME: Final = "acks.json"


@dataclass(slots=True)
class State:
    """Where each message stands, by index.

    `done`: confirmed by the store, or given up; nothing more is done for it. `taken`: the broker has acknowledged it,
    the store has not. All others below `following`, the next index to be given, wait for the broker. `heard`: whether
    a receipt ever came.
    """

    following: int = 1
    heard: bool = False
    done: IndexSet = field(default_factory=IndexSet)
    taken: IndexSet = field(default_factory=IndexSet)
    boots: Boots = field(default_factory=Boots)

    def document(self, turn: int) -> bytes:
        """As JSON."""
        content = {
            "turn": turn,
            "next": self.following,
            "heard": self.heard,
            "done": list(self.done),
            "taken": list(self.taken),
            "boots": self.boots.rows(),
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def of(cls, document: bytes) -> tuple[int, "State"]:
        """What `document` wrote, with its turn. Raises ContractError."""
        try:
            content: dict[str, Any] = json.loads(document)
            turn, following, heard = content["turn"], content["next"], content["heard"]
            done, taken = IndexSet.of(content["done"]), IndexSet.of(content["taken"])
            boots = Boots.of(content["boots"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContractError(repr(error), field="state") from error
        if not (type(turn) is int and type(following) is int and type(heard) is bool and 1 <= following < 2**63):
            raise ContractError("turn, next or heard is no such value", field="state")
        return turn, cls(following, heard, done, taken, boots)


class StateFiles:
    """The two files. The newest that is whole counts; where none is, nothing is known, and all is sent again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = 0
        self.damage: list[str] = []
        self.is_newest = True
        """Whether `load` gave what was saved last: not where a copy stood in, or an older agent ran meanwhile."""

    def load(self) -> State:
        """What was saved last, as far as it can be read. Raises OSError where the disk refuses."""
        found: list[tuple[int, State]] = []
        for name in NAMES:
            try:
                found.append(State.of(unsealed((self._folder / name).read_bytes())))
            except FileNotFoundError:
                continue
            except ContractError as error:
                self.damage.append(f"{name}: {error}")
                log.warning("outbox_state_unreadable", file=name, error=str(error))
        self.is_newest = bool(found) and not self.damage
        self._turn, state = max(found, key=lambda one: one[0], default=(0, State()))
        self._take_old(state)
        return state

    def save(self, state: State, *, durable: bool = False) -> None:
        """Write the one whose turn it is. Raises OSError."""
        name = NAMES[(self._turn + 1) % 2]
        write_atomically(self._folder / name, sealed(state.document(self._turn + 1)), durable=durable)
        self._turn += 1

    def drop_old(self) -> None:
        """Delete the file of agents of before, once what it said is saved."""
        with contextlib.suppress(OSError):
            (self._folder / OLD_NAME).unlink(missing_ok=True)

    def _take_old(self, state: State) -> None:
        """What an agent of before had acknowledged is gone: it forgot a message at the PUBACK."""
        try:
            old = IndexSet.of(json.loads((self._folder / OLD_NAME).read_bytes()))
        except FileNotFoundError:
            return
        except (ContractError, ValueError, TypeError, RecursionError) as error:
            self.damage.append(f"{OLD_NAME}: {error}")
            log.warning("outbox_state_unreadable", file=OLD_NAME, error=str(error))
            return
        self.is_newest = False
        for first, end in old:
            state.done.add(first, end)
        state.following = max(state.following, old.end)
