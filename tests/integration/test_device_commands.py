"""How the agent judges commands before it does them, and what its journal keeps over a power cut."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.commands import MAX_CORRELATION_BYTES
from broker.messages import Reply
from broker.session import Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import Topics
from device.command_journal import KEPT_MAX, Begun, CommandJournal
from device.commands import IN_HAND_MAX, Commands
from device.control import Control
from tests.integration.test_device_held import Rig


class Desk:
    """Commands over real parts that are not connected; `replies` are those that wait to be sent."""

    def __init__(self, folder: Path) -> None:
        rig = Rig(folder)
        self.context = rig.context
        self.begun = 0
        session = Session(BrokerAddress(host="localhost"), SessionOptions("pi-1"))
        self.control = Control(
            session, Topics(), "pi-1", "aaaa", rig.context.clock, rig.context.config, datetime.now(UTC)
        )
        self.journal = CommandJournal(folder / "commands.json")
        self.commands = Commands(self.context, self.control, self.journal, {"ping": self.ping}, "restart")
        self.commands.answer_interrupted()

    async def ping(self, _arguments: Any, _limit_s: float) -> dict[str, Any]:
        """Never ends before the test does."""
        self.begun += 1
        await asyncio.Event().wait()
        return {}

    @property
    def replies(self) -> list[tuple[Reply, bytes | None]]:
        """What waits to be sent."""
        return [(answer.reply, answer.correlation) for answer in self.control._replies]


async def test_what_waited_too_long_is_not_begun(tmp_path: Path) -> None:
    """Its time is over when its turn comes: refused, and not in the journal."""
    desk = Desk(tmp_path)
    desk.commands.take("ping", b"{}", b"late", desk.context.monotonic() - 0.1)
    [(reply, correlation)] = desk.replies
    assert (reply.ok, [reason.field for reason in reply.reasons], correlation) == (False, ["expiry"], b"late")
    assert desk.journal.get(b"late".hex()) is None


async def test_no_more_than_some_are_in_hand(tmp_path: Path) -> None:
    """One more is refused and says so; one that comes again meanwhile is neither begun nor answered twice."""
    desk = Desk(tmp_path)
    running = asyncio.create_task(desk.commands.run())
    for number in range(IN_HAND_MAX + 1):
        desk.commands.take("ping", b"{}", str(number).encode(), None)
    desk.commands.take("ping", b"{}", b"0", None)
    await asyncio.sleep(0.1)
    assert desk.begun == IN_HAND_MAX
    [(reply, correlation)] = desk.replies
    assert (reply.reasons[0].field, correlation) == ("command", str(IN_HAND_MAX).encode())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_a_power_cut_interrupted_is_answered_and_not_done_again(tmp_path: Path) -> None:
    """The next run says that it was interrupted; the command coming again gets the same reply."""
    Desk(tmp_path).commands.take("ping", b"{}", b"cut", None)
    desk = Desk(tmp_path)
    [(reply, correlation)] = desk.replies
    assert (reply.ok, reply.reasons, correlation) == (False, (), b"cut")
    assert "restarted" in (reply.error or "")
    desk.commands.take("ping", b"{}", b"cut", None)
    assert [one[0] for one in desk.replies] == [reply, reply]
    assert not Desk(tmp_path).replies


async def test_correlation_data_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """The journal stays small."""
    desk = Desk(tmp_path)
    desk.commands.take("ping", b"{}", b"x" * (MAX_CORRELATION_BYTES + 1), None)
    assert [reason.field for reason in desk.replies[0][0].reasons] == ["correlation"]


def test_the_journal_is_bounded_and_survives_damage(tmp_path: Path) -> None:
    """The oldest are forgotten; the copy counts where the file is torn, and both torn cost only the memory."""
    journal = CommandJournal(tmp_path / "commands.json")
    for number in range(KEPT_MAX):
        journal._commands[f"{number:04x}"] = Begun(command="ping")
    journal.begin("ffff", "ping")
    assert journal.get("0000") is None
    assert journal.get("ffff") is not None
    again = CommandJournal(tmp_path / "commands.json")
    assert len(again.load()) == KEPT_MAX
    (tmp_path / "commands.json").write_bytes(b"{torn")
    assert len(CommandJournal(tmp_path / "commands.json").load()) == KEPT_MAX
    for file in tmp_path.iterdir():
        file.write_bytes(b"{torn")
    assert CommandJournal(tmp_path / "commands.json").load() == {}
