"""What the outbox knows of its messages beside the messages themselves, in two files that are written in turn."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from broker.errors import ContractError
from device.files import sync_folder, write_atomically
from device.formats import NEWER, NewerFormatError, prove, set_aside, take_back
from device.outbox.boots import Boots
from device.outbox.index_set import IndexSet
from device.sealed_file import sealed, unsealed

log = structlog.get_logger()

NAMES: Final = ("state-0.json", "state-1.json")
OLD_NAME: Final = "acks.json"


@dataclass(frozen=True, slots=True)
class Thinned:
    """What was counted of a thinned segment of so many octets: its messages that are not done, and of those taken."""

    size: int
    left: int
    taken: int


@dataclass(slots=True)
class State:
    """The state of each message, by index.

    `done`: confirmed by the store, or given up; nothing more is done for it. `taken`: the broker has acknowledged it,
    the store has not. All others below `following`, the next index to be given, wait for the broker. `heard`: whether
    a receipt ever came. `thinned`: by first index, the segments whose indices don't tell how many messages they hold,
    so that a start need not read them all.
    """

    following: int = 1
    has_receipts: bool = False
    done: IndexSet = field(default_factory=IndexSet)
    taken: IndexSet = field(default_factory=IndexSet)
    boots: Boots = field(default_factory=Boots)
    thinned: dict[int, Thinned] = field(default_factory=dict)

    def next_waiting(self, index: int) -> int:
        """The smallest index from here on that may be one of a message that waits for the broker."""
        while (following := self.taken.next_missing(self.done.next_missing(index))) != index:
            index = following
        return index

    def document(self, turn: int) -> bytes:
        """As JSON."""
        content = {
            "turn": turn,
            "next": self.following,
            "heard": self.has_receipts,
            "done": list(self.done),
            "taken": list(self.taken),
            "boots": self.boots.rows(),
            "thinned": [[first, one.size, one.left, one.taken] for first, one in self.thinned.items()],
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def of(cls, document: bytes) -> tuple[int, "State"]:
        """What `document` wrote, with its turn. Raises ContractError."""
        try:
            content: dict[str, Any] = json.loads(document)
            turn, following, has_receipts = content["turn"], content["next"], content["heard"]
            done, taken = IndexSet.of(content["done"]), IndexSet.of(content["taken"])
            boots = Boots.of(content["boots"])
            thinned = _thinned(content.get("thinned", ()))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContractError(repr(error), field="state") from error
        if not (type(turn) is int and type(following) is int and type(has_receipts) is bool and 1 <= following < 2**63):
            raise ContractError("turn, next or heard is no such value", field="state")
        return turn, cls(following, has_receipts, done, taken, boots, thinned)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _thinned(rows: Iterable[object]) -> dict[int, Thinned]:
    found = {}
    for row in rows:
        match row:
            case [int(first), int(size), int(left), int(taken)] if 0 <= taken <= left <= size and first >= 0:
                found[first] = Thinned(size, left, taken)
            case _:
                raise ContractError("no count of a segment", field="thinned")
    return found


class StateFiles:
    """The two files. The newest that is whole counts; where none is, nothing is known, and all is sent again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = 0
        self.damage: list[str] = []
        self.is_newest = True
        """Whether `load` gave what was saved last: not where a copy stood in, or an older agent ran meanwhile."""

    def load(self) -> State:
        """What was saved last, as far as it can be read: a file that the disk does not give is a damaged one."""
        found: list[tuple[int, State]] = []
        for name in NAMES:
            try:
                document = unsealed((self._folder / name).read_bytes())
                prove(document)
                found.append(State.of(document))
            except FileNotFoundError:
                continue
            except NewerFormatError as error:
                # its turn would be the higher one, and count when that agent comes back and knows less than ours did
                _unlink(self._folder / name)
                self.damage.append(f"{name}: {error}")
            except (OSError, ContractError) as error:
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

    def set_aside(self) -> None:
        """Keep both for the newer agent whose segments they speak of."""
        for name in NAMES:
            path = self._folder / name
            if path.with_name(name + NEWER).exists():
                # of an agent newer still, whose messages are done with by this one: it must never read this
                _unlink(path)
            elif path.exists():
                set_aside(path)
        self._sync()

    def forget(self) -> None:
        """Forget what an older agent wrote meanwhile: its messages are sent again."""
        for name in NAMES:
            _unlink(self._folder / name)
        self._sync()

    def take_back(self) -> None:
        """Put back what was kept, where nothing was written since; that is older otherwise, and goes."""
        for name in NAMES:
            if (self._folder / name).exists():
                _unlink(self._folder / f"{name}{NEWER}")
            else:
                take_back(self._folder / name)

    def drop_old(self) -> None:
        """Delete the file of agents of before, once what it said is saved."""
        _unlink(self._folder / OLD_NAME)

    def _sync(self) -> None:
        """Have the disk do what comes next after this."""
        with contextlib.suppress(OSError):
            sync_folder(self._folder)

    def _take_old(self, state: State) -> None:
        """What an agent of before had acknowledged is gone: it forgot a message at the PUBACK."""
        try:
            old = IndexSet.of(json.loads((self._folder / OLD_NAME).read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError, TypeError, RecursionError) as error:
            self.damage.append(f"{OLD_NAME}: {error}")
            log.warning("outbox_state_unreadable", file=OLD_NAME, error=str(error))
            return
        self.is_newest = False
        for first, end in old:
            state.done.add(first, end)
        state.following = max(state.following, old.end)
