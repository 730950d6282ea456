"""Which commands were begun and how they ended, on disk, so that one that comes again is not done again."""

import json
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from broker.contract.messages import Message, Reply, Short
from broker.errors import ContractError
from device.sealed_file import read_either, write_twice

log = structlog.get_logger()

KEPT_MAX: Final = 256


class Begun(Message):
    """One command by its correlation data in hex; `reply` is None until it is done."""

    command: Short
    reply: Reply | None = None


class _Document(Message):
    commands: dict[str, Begun]


class CommandJournal:
    """`commands.json` in the data folder: the newest KEPT_MAX commands with correlation data.

    A command is entered before it is begun. A disk that refuses costs only the memory over restarts. Where the file is
    damaged its copy counts; where that is, too, a command that comes again is done again. `damage` says what was found
    wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.damage = ""
        self._commands: dict[str, Begun] = {}

    def load(self) -> dict[str, str]:
        """Take up what the last run left; returns the commands, by correlation, that it had begun and not ended."""
        try:
            found = read_either(self._file)
            self.damage = found.damage
            self._commands = dict(_Document.model_validate_json(found.data, extra="ignore").commands)
        except FileNotFoundError:
            return {}
        except (OSError, ContractError, ValidationError, ValueError) as error:
            self.damage = str(error)[:1000]
            log.warning("command_journal_unreadable", path=str(self._file), error=str(error))
        return {key: begun.command for key, begun in self._commands.items() if begun.reply is None}

    def get(self, key: str) -> Begun | None:
        """What is known of a command, None where it never came."""
        return self._commands.get(key)

    def begin(self, key: str, command: str) -> None:
        """Enter a command that is about to be begun."""
        self._commands[key] = Begun(command=command)
        while len(self._commands) > KEPT_MAX:
            del self._commands[next(iter(self._commands))]
        self._save()

    def end(self, key: str, reply: Reply) -> None:
        """Enter how it ended."""
        if key in self._commands:
            self._commands[key] = Begun(command=reply.command, reply=reply)
            self._save()

    def _save(self) -> None:
        document = {key: json.loads(begun.payload()) for key, begun in self._commands.items()}
        try:
            write_twice(self._file, json.dumps({"commands": document}).encode())
        except OSError as error:
            log.warning("command_journal_not_saved", path=str(self._file), error=str(error))
