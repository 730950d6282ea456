"""How the agent judges commands before it does them, and what its journal keeps over a power cut."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.contract.commands import MAX_CORRELATION_BYTES
from broker.contract.messages import Reply
from broker.contract.topics import Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from device.announcements import Control
from device.commands.execution import IN_HAND_MAX, Commands
from device.commands.journal import KEPT_MAX, Begun, CommandJournal
from device.outbox.resending import Resending
from device.outbox.status import OutboxStatus
from tests.rigs.meter_port import Rig
from tests.rigs.waiting import until


class CommandRig:
    """Commands over real parts that are not connected; `replies` are those that wait to be sent."""

    def __init__(self, folder: Path) -> None:
        rig = Rig(folder)
        self.context = rig.context
        self.begun = 0
        session = Session(BrokerAddress(host="localhost"), SessionOptions("pi-1"))
        clock = rig.context.clock
        telling = OutboxStatus(rig.outbox, Resending(rig.outbox, rig.context.metrics), clock)
        self.control = Control(
            session, Topics(), "pi-1", "aaaa", clock, rig.context.config, datetime.now(UTC), telling, lambda: None
        )
        self.journal = CommandJournal(folder / "commands.json")
        self.commands = Commands(self.context, self.control, self.journal, {"ping": self.ping}, "restart", lambda: None)
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
    rig = CommandRig(tmp_path)
    rig.commands.take("ping", b"{}", b"late", rig.context.monotonic() - 0.1)
    [(reply, correlation)] = rig.replies
    assert (reply.ok, [reason.field for reason in reply.reasons], correlation) == (False, ["expiry"], b"late")
    assert rig.journal.get(b"late".hex()) is None


async def test_no_more_than_some_are_in_hand(tmp_path: Path) -> None:
    """One more is refused and says so; one that comes again meanwhile is neither begun nor answered twice."""
    rig = CommandRig(tmp_path)
    running = asyncio.create_task(rig.commands.run())
    for number in range(IN_HAND_MAX + 1):
        rig.commands.take("ping", b"{}", str(number).encode(), None)
    rig.commands.take("ping", b"{}", b"0", None)
    await until(lambda: rig.begun == IN_HAND_MAX and rig.replies, "as many are begun as may be")
    [(reply, correlation)] = rig.replies
    assert (reply.reasons[0].field, correlation) == ("command", str(IN_HAND_MAX).encode())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_a_power_cut_interrupted_is_answered_and_not_done_again(tmp_path: Path) -> None:
    """The next run says that it was interrupted; the command coming again gets the same reply."""
    CommandRig(tmp_path).commands.take("ping", b"{}", b"cut", None)
    rig = CommandRig(tmp_path)
    [(reply, correlation)] = rig.replies
    assert (reply.ok, reply.reasons, correlation) == (False, (), b"cut")
    assert "restarted" in (reply.error or "")
    rig.commands.take("ping", b"{}", b"cut", None)
    assert [one[0] for one in rig.replies] == [reply, reply]
    assert not CommandRig(tmp_path).replies


async def test_correlation_data_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """The journal stays small."""
    rig = CommandRig(tmp_path)
    rig.commands.take("ping", b"{}", b"x" * (MAX_CORRELATION_BYTES + 1), None)
    assert [reason.field for reason in rig.replies[0][0].reasons] == ["correlation"]


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
