"""Token buckets of senders: a flood is held to its share while others wait, and nobody else is."""

import pytest

from broker.shares import Over, Queue, Share, Shares

SHARE = Share(messages_per_s=10, bytes_per_s=1000, burst_s=5)


def passed(shares: Shares, sender: str, count: int, now_s: float, *, size: int = 1, **how: float | bool) -> int:
    """How many of so many messages of one moment pass."""
    return sum(shares.over(sender, size, now_s, scarce=bool(how.get("scarce", True))) is None for _ in range(count))


def test_nobody_is_held_back_while_nobody_waits() -> None:
    """A backlog that the receiver can take goes through at whatever speed it comes."""
    shares = Shares(SHARE)
    assert passed(shares, "pi-1", 10_000, 0.0, size=5000, scarce=False) == 10_000


def test_a_flood_is_held_to_its_share_while_others_wait() -> None:
    """First a burst, then the rate; the others' messages pass all the while."""
    shares = Shares(SHARE)
    assert passed(shares, "flood", 1000, 0.0) == 50
    for second in range(1, 11):
        assert passed(shares, "flood", 1000, float(second)) == 10
        assert passed(shares, "pi-1", 5, float(second)) == 5


def test_a_flood_stays_held_when_nobody_waits_any_more_for_its_being_held() -> None:
    """Else it would be let in again with each pause, and the others would wait again; it is forgiven when it ends."""
    shares = Shares(SHARE)
    passed(shares, "flood", 1000, 0.0)
    assert passed(shares, "flood", 1000, 1.0, scarce=False) == 10
    assert passed(shares, "flood", 1000, 3.0, scarce=False) == 20
    assert passed(shares, "flood", 1000, 8.0, scarce=False) == 1000


def test_bytes_count_as_messages_do() -> None:
    """Few large messages are held back as many small ones are; what is over is named."""
    shares = Shares(SHARE)
    assert passed(shares, "flood", 10, 0.0, size=1000) == 5
    assert shares.over("flood", 1000, 0.5, scarce=True) is Over.BYTES
    passed(shares, "small", 50, 0.0)
    assert shares.over("small", 1, 0.0, scarce=True) is Over.MESSAGES


def test_a_message_larger_than_a_whole_burst_passes_a_full_bucket() -> None:
    """It would never pass otherwise, and nothing that is honest is held back for ever."""
    shares = Shares(SHARE)
    assert shares.over("pi-1", 50_000, 0.0, scarce=True) is None
    assert shares.over("pi-1", 50_000, 4.0, scarce=True) is Over.BYTES
    assert shares.over("pi-1", 50_000, 5.0, scarce=True) is None


@pytest.mark.parametrize("known", [False, True])
def test_what_gathered_while_the_receiver_was_away_passes(known: bool) -> None:
    """Live messages of an hour, at once, of a device that sends at half its share."""
    shares = Shares(SHARE)
    if known:
        assert shares.over("pi-1", 1, 0.0, scarce=False) is None
    took = [shares.over("pi-1", 1, 3600.0, scarce=True, behind_s=3600.0) for _ in range(5 * 3600)]
    assert took.count(None) == 5 * 3600
    assert passed(shares, "flood", 100_000, 3600.0) == 50


def test_a_sender_hears_when_it_may_go_on() -> None:
    """For whoever keeps the newest of its messages until then."""
    shares = Shares(SHARE)
    assert shares.ready_in_s("pi-1", 100, 0.0) == 0
    passed(shares, "pi-1", 100, 0.0)
    wait_s = shares.ready_in_s("pi-1", 1, 0.0)
    assert 0 < wait_s <= 0.1
    assert shares.over("pi-1", 1, wait_s + 1e-9, scarce=True) is None


def test_memory_is_bounded_and_floods_are_not_forgiven_by_it() -> None:
    """Whoever is silent is forgotten first: its bucket is full again."""
    shares = Shares(SHARE, most=100)
    passed(shares, "flood", 1000, 0.0)
    for number in range(1000):
        now_s = number / 100
        passed(shares, f"pi-{number}", 1, now_s)
        assert passed(shares, "flood", 100, now_s) <= 1
        assert len(shares) <= 100


def test_a_queue_that_empties_now_and_then_keeps_nobody_waiting() -> None:
    """Patience runs from the last time at which nothing waited, before a restart too."""
    queue = Queue(patience_s=2.0, now_s=100.0)
    assert not queue.scarce(queue.look(101.9, empty=False))
    assert queue.look(102.0, empty=True) == 0
    assert queue.scarce(queue.look(104.1, empty=False))
    after = Queue(patience_s=2.0, now_s=100.0)
    after.had_been_empty(3600.0, 100.0)
    assert after.look(100.5, empty=False) == 3600.5
