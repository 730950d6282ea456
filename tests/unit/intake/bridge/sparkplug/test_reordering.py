"""Messages in order again, by the rules of Sparkplug 3.0; names end with the specification's own (tck-id-...)."""

import random

from broker.sparkplug.decoding import decode
from intake.bridge.sparkplug.nodes import REBIRTH_EVERY_S, Heard, Nodes, place_of
from intake.bridge.sparkplug.reordering import MOST, MOST_BYTES, OF_NODE, Reordering
from tests.rigs.sparkplug import birth, metric, payload

WAIT_S = 2.0
T0 = 1_763_892_000_000


class Host:
    """A host that is told messages of one node, or of others, and keeps what it says of each."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self.nodes = Nodes()
        self.order = Reordering[int | None](self.nodes, wait_s)
        self.told: list[tuple[int | None, Heard]] = []

    def hear(self, kind: str, data: bytes, now_s: float = 0.0, node: str = "n", size: int = 100) -> list[int | None]:
        """Numbers of the messages that are told by this one."""
        place = place_of(f"spBv1.0/g/{kind}/{node}" + ("/d" if kind.startswith("D") else ""))
        assert place is not None
        read = decode(data, plain=True)
        return self._keep(self.order.hear(place, read, read.seq, size, now_s))

    def overdue(self, now_s: float) -> list[int | None]:
        """Those whose time is over."""
        return self._keep(self.order.overdue(now_s))

    def rest(self) -> list[int | None]:
        """Those that are told at the end."""
        return self._keep(self.order.rest(0.0))

    def _keep(self, told: list[tuple[int | None, Heard]]) -> list[int | None]:
        self.told += told
        return [number for number, _ in told]

    @property
    def rebirths(self) -> int:
        """How often a birth was asked for."""
        return sum(heard.rebirth for _, heard in self.told)


def data(seq: int, at: int = T0) -> bytes:
    return payload(seq, metric("Energy", "Double", float(seq)), timestamp=at)


def born(wait_s: float = WAIT_S) -> Host:
    host = Host(wait_s)
    host.hear("NBIRTH", birth(5))
    host.hear("DBIRTH", payload(1, metric("Energy", "Double", 1.0)))
    return host


def test_what_is_missing_comes_in_time__tck_id_operational_behavior_host_reordering_success() -> None:
    """1, 2, 4, 3: 4 waits, is told after 3, the timer ends, and nothing is asked for."""
    host = born()
    assert host.hear("DDATA", data(2)) == [2]
    assert host.hear("DDATA", data(4), 1.0) == []
    assert host.order.due_s == 3.0
    assert host.hear("DDATA", data(3), 2.9) == [3, 4]
    assert (host.order.due_s, host.order.held, host.order.reordered) == (None, 0, 1)
    assert host.overdue(99.0) == []
    assert host.rebirths == 0


def test_what_does_not_come__tck_id_operational_behavior_host_reordering_rebirth() -> None:
    """When the time is over, and not before: all is told in the order of its numbers, and one birth is asked for."""
    host = born()
    for seq, at_s in ((5, 0.0), (3, 1.0), (4, 1.5)):
        assert host.hear("DDATA", data(seq), at_s) == []
    assert host.overdue(1.99) == []
    assert host.overdue(2.0) == [3, 4, 5]
    assert host.rebirths == 1
    # until it comes nothing waits any more: it would for nothing
    assert host.hear("DDATA", data(7), 3.0) == [7]
    assert host.rebirths == 1
    host.hear("NBIRTH", birth(6), 4.0)
    assert host.hear("DBIRTH", payload(1), 4.0) == [1]
    assert host.hear("DDATA", data(3), 5.0) == []
    assert host.order.due_s == 7.0


def test_no_time_to_wait__tck_id_operational_behavior_host_reordering_param() -> None:
    """Brokers that keep the order of all topics need none: what is out of order asks for a birth at once."""
    host = born(wait_s=0.0)
    assert host.hear("DDATA", data(3)) == [3]
    assert host.rebirths == 1
    assert host.order.due_s is None


def test_any_order_within_the_time_is_the_nodes_order_again() -> None:
    """Over the end of the numbers, too; nothing is lost, told twice, or asked for."""
    for seed in range(8):
        rng, host = random.Random(seed), born()  # noqa: S311
        numbers = [number % 256 for number in range(2, 600)]
        for chunk in _batched(numbers, 20):
            shuffled = list(chunk)
            rng.shuffle(shuffled)
            for seq in shuffled:
                host.hear("DDATA", data(seq), 1.0)
        assert [number for number, _ in host.told][2:] == numbers
        assert host.rebirths == host.order.held == 0


def _batched(numbers: list[int], count: int) -> list[list[int]]:
    return [numbers[first : first + count] for first in range(0, len(numbers), count)]


def test_data_that_overtakes_its_birth_waits_for_it() -> None:
    """That of a node that nobody knows, and of one that is born again; what was before that birth is told before."""
    host = Host()
    assert host.hear("DDATA", data(2)) == []
    assert host.hear("DBIRTH", payload(1, metric("Energy", "Double", 1.0))) == []
    assert host.hear("NBIRTH", birth(5), 1.0) == [0, 1, 2]
    assert host.hear("DDATA", data(9, T0 - 1), 2.0) == []
    assert host.hear("DBIRTH", payload(1, timestamp=T0 + 5), 2.0) == []
    assert host.hear("NBIRTH", birth(6), 2.1) == [9, 0, 1]
    assert host.rebirths == 0
    unborn = Host()
    assert unborn.hear("DDATA", data(2)) == []
    assert unborn.overdue(2.0) == [2]
    assert unborn.hear("DDATA", data(3), 3.0) == [3]
    assert unborn.rebirths == 1
    assert unborn.hear("DDATA", data(4), REBIRTH_EVERY_S + 3) == []
    assert unborn.overdue(REBIRTH_EVERY_S + 5) == [4]
    assert unborn.rebirths == 2


def test_a_death_ends_the_wait_and_that_of_another_session_does_not() -> None:
    """What came before it is told before; nobody is asked for a birth who is dead."""
    host = born()
    assert host.hear("DDATA", data(3)) == []
    assert host.hear("NDEATH", payload(None, metric("bdSeq", "UInt64", 4))) == [None]
    assert host.order.held == 1
    assert host.hear("NDEATH", payload(None, metric("bdSeq", "UInt64", 5))) == [3, None]
    assert (host.order.held, host.rebirths, host.told[-1][1].gone) == (0, 0, True)


def test_waiting_is_bounded_and_one_node_waits_for_no_other() -> None:
    """By number of one node, by number and bytes of all; what is over is told at once, and nothing is lost."""
    host = born()
    for place in range(OF_NODE):
        assert host.hear("DDATA", data(3 + place)) == []
    assert len(host.hear("DDATA", data(3 + OF_NODE))) == OF_NODE + 1
    assert (host.order.held, host.rebirths) == (0, 1)

    many = Host()
    for place in range(MOST):
        assert many.hear("NDATA", data(3), node=f"n{place}") == []
    assert many.hear("NDATA", data(3), node="one more") == [3]
    assert many.order.held == MOST

    large = Host()
    half = MOST_BYTES // 2 - 1000
    assert large.hear("NDATA", data(3), node="a", size=half) == []
    assert large.hear("NDATA", data(3), node="b", size=half) == []
    assert large.hear("NDATA", data(3), node="c", size=5000) == [3]
    tiny = payload(3, *[metric("x", "Double", 1.0)] * 9000)
    assert large.hear("NDATA", tiny, node="d", size=len(tiny)) == [3]
    before = large.rebirths
    assert large.rest() == [3, 3]
    assert (large.order.held, large.rebirths) == (0, before), "who goes asks for no birth"


def test_what_has_no_number_or_comes_again_stops_nothing() -> None:
    """The one is told at once, the other when its time is over; what is in order passes both."""
    host = born()
    assert host.hear("DDATA", data(2)) == [2]
    assert host.hear("DDATA", data(2)) == []
    assert host.hear("DDATA", data(3)) == [3]
    assert host.hear("DDATA", payload(None, metric("Energy", "Double", 1.0)), 1.0) == [None]
    assert host.overdue(2.0) == [2]
