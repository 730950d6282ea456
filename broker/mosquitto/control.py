"""Commands to a running Mosquitto's dynamic security plugin, over its control topic."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from broker.errors import TransientError
from broker.mosquitto.dynamic_security import LIST, Command, Held, Present, held, present, roles_of
from broker.mosquitto.rights import CONTROL, CONTROL_ANSWERS, Grant
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.runtime.settings import BrokerAddress

CONNECT_S: Final = 10.0
ANSWER_S: Final = 60.0
"""Each command has the broker write its file: a second with 10 000 devices on a busy machine."""
LOGINS_AT_ONCE: Final = 1000
"""Logins in one answer: some 150 KiB."""
ROLES_AT_ONCE: Final = 200
"""Roles in one answer: some 400 KiB."""
BATCH: Final = 20
"""Commands in one message, as the broker does nothing else meanwhile."""


class CommandError(TransientError):
    """What the plugin did not do, in its own words."""


class Control:
    """A connection whose login may change logins and rights."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, address: BrokerAddress, client_id: str) -> AsyncIterator["Control"]:
        """Connect, once.

        Raises RefusedError where the broker does not let us do it, TransientError where it is away.
        """
        # as many answers as there are questions, and those of others who ask
        options = SessionOptions(client_id, subscriptions=((CONTROL_ANSWERS, 1),), receive_maximum=100)
        async with Session(address, options) as session:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await session.wait_connected()
            except TimeoutError as error:
                raise TransientError(session.last_error or "the broker did not answer in time") from error
            yield cls(session)

    async def held(self) -> Held:
        """What the broker has."""
        return held(await self.run(LIST))

    async def roles(self) -> dict[str, frozenset[Grant]]:
        """What each of its roles may do."""
        found: dict[str, frozenset[Grant]] = {}
        while True:
            page = {"command": "listRoles", "verbose": True, "count": ROLES_AT_ONCE, "offset": len(found)}
            (answer,) = await self.run([page])
            some = roles_of(answer["data"]["roles"])
            found |= some
            if len(some) < ROLES_AT_ONCE:
                return found

    async def logins(self) -> dict[str, Present]:
        """All logins."""
        found: dict[str, Present] = {}
        while True:
            page = {"command": "listClients", "verbose": True, "count": LOGINS_AT_ONCE, "offset": len(found)}
            (answer,) = await self.run([page])
            some = answer["data"]["clients"]
            found |= {one["username"]: present(one) for one in some}
            if len(some) < LOGINS_AT_ONCE:
                return found

    async def some(self, logins: Sequence[str], roles: Sequence[str]) -> tuple[dict[str, Present], frozenset[str]]:
        """Those of some logins, and of some roles, that the broker has."""
        wanted = [{"command": "getClient", "username": name} for name in logins]
        answers = await self._all([*wanted, *({"command": "getRole", "rolename": name} for name in roles)])
        clients = [one["data"]["client"] for one in answers[: len(logins)] if not _is_absent(one)]
        there = frozenset(one["data"]["role"]["rolename"] for one in answers[len(logins) :] if not _is_absent(one))
        return {one["username"]: present(one) for one in clients}, there

    async def run(self, commands: Sequence[Command]) -> list[dict[str, Any]]:
        """Have commands done, in order; returns an answer for each.

        What is already as wanted, perhaps by another who asked for the same, is no error. Raises CommandError for the
        first that was not done, once all others were tried, TimeoutError where no plugin answers, and RefusedError
        where this login may not.
        """
        answers = await self._all(commands)
        for command, answer in zip(commands, answers, strict=True):
            if "error" in answer and not _is_so_already(command["command"], answer["error"]):
                of = command.get("username") or command.get("rolename") or ""
                raise CommandError(f"{command['command']} {of}: {answer['error']}")
        return answers

    async def _all(self, commands: Sequence[Command]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for start in range(0, len(commands), BATCH):
            answers += await self._run(commands[start : start + BATCH])
        return answers

    async def _run(self, commands: Sequence[Command]) -> list[dict[str, Any]]:
        # others who ask hear one another's answers
        mark = secrets.token_hex(8)
        marked = [{**command, "correlationData": mark} for command in commands]
        async with asyncio.timeout(ANSWER_S):
            await self._session.publish(Publication(CONTROL, json.dumps({"commands": marked}).encode()))
            while True:
                for message in await self._session.receive():
                    message.ack()
                    found = _answers(message.payload)
                    if message.topic == CONTROL_ANSWERS and found and found[0].get("correlationData") == mark:
                        return found


def _is_absent(answer: Mapping[str, Any]) -> bool:
    """Whether what was asked for is not there. Raises CommandError for all else that is no answer."""
    error = answer.get("error")
    if error is not None and not error.endswith("not found"):
        raise CommandError(f"{answer.get('command')}: {error}")
    return error is not None


def _is_so_already(command: str, error: str) -> bool:
    """Whether the plugin's words mean that what was to be made is there, or what was to be removed is not."""
    there = command.startswith("create") and error.endswith("already exists")
    return there or (command.startswith("delete") and error.endswith("not found"))


def _answers(payload: bytes) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(payload)["responses"]
    except (ValueError, KeyError, TypeError) as error:
        raise TransientError(f"the broker answers what is no answer of the plugin ({error})") from error
    return found
