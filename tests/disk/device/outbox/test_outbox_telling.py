"""When a device's status is sent again for what waits in a real outbox, without a connection."""

from pathlib import Path

import pytest

from broker.contract.messages import Receipts
from broker.contract.topics import Kind
from device.clock import DeviceClock
from device.metrics import DeviceMetrics
from device.outbox import status
from device.outbox.outbox import Outbox
from device.outbox.resending import Resending
from device.outbox.status import AGAIN_CAP_S, JITTER, OutboxStatus
from tests.rigs.waiting import until


class Rig:
    """What a device tells of an outbox of its own."""

    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox(folder, limit_bytes=1024 * 1024)
        self.outbox.open()
        self.resending = Resending(self.outbox, DeviceMetrics())
        self.telling = OutboxStatus(self.outbox, self.resending, DeviceClock())

    def times(self, first_s: int, end_s: int) -> list[int]:
        """When it tells, looking every second."""
        found = []
        for now_s in range(first_s, end_s):
            if self.telling.due(now_s):
                self.telling.sent(self.telling.state(), now_s)
                found.append(now_s)
        return found


@pytest.fixture(autouse=True)
def _soon_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "LATE_S", 0.1)


async def test_it_tells_at_once_then_ever_more_rarely_and_once_when_all_is_confirmed(tmp_path: Path) -> None:
    """What is in time is told by nobody: a fleet that is well sends nothing more."""
    rig = Rig(tmp_path)
    assert rig.times(0, 1000) == []
    record = rig.outbox.append(Kind.EVENTS, b'{"boot":"aaaa","seq":1,"x":1}')
    rig.resending.sent(record.index, again=False)
    rig.outbox.acknowledge(record.index)
    await until(lambda: rig.resending.oldest_s() >= 0.2, "it is late")
    first, *others = rig.times(1000, 20_000)
    assert first <= 1010
    steps = [later - earlier for earlier, later in zip([first, *others], others, strict=False)]
    assert steps == sorted(steps)
    assert 60 <= steps[0] <= 60 * JITTER + 10
    assert steps[-1] >= AGAIN_CAP_S
    assert rig.telling.state().unconfirmed == 1
    rig.resending.take(Receipts.parse(b'{"boots":{"aaaa":[[1,1]]}}'))
    assert len(rig.times(20_000, 30_000)) == 1
    assert rig.telling.state().unconfirmed == 0


async def test_what_the_broker_does_not_take_is_told_too(tmp_path: Path) -> None:
    """As where it has nobody to give it to: the status reaches it, the readings don't."""
    rig = Rig(tmp_path)
    rig.outbox.append(Kind.EVENTS, b'{"boot":"aaaa","seq":1,"x":1}')
    await until(lambda: rig.telling.state().waiting_for_s >= 0.2, "it is late")
    assert rig.times(0, 30) == [0]
    state = rig.telling.state()
    assert (state.waiting, state.unconfirmed) == (1, 0)
    assert state.waiting_for_s >= 0.1
