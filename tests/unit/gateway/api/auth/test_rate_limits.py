"""The token buckets behind the API's rate limit, on a clock of their own."""

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.buckets import Buckets
from gateway.api.auth.rate_limits import FAILED_BURST, RateLimits
from gateway.principals import Principal
from gateway.roles import Role


class Clock:
    """Time as the test says."""

    now_s = 1000.0


def filled(rate_per_s: float, burst: int, callers: int = 10) -> tuple[Buckets, Clock]:
    clock = Clock()
    return Buckets(rate_per_s, burst, callers=callers, clock=lambda: clock.now_s), clock


def test_a_burst_passes_at_once_and_then_the_rate_counts() -> None:
    """As many as the burst pass; the next one is told when it may, and may then, once."""
    buckets, clock = filled(0.5, 3)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 2, 2]
    clock.now_s += 1.9
    assert buckets.take("a") == 1
    clock.now_s += 0.1
    assert [buckets.take("a") for _ in range(2)] == [0, 2]


def test_a_refused_request_costs_nothing() -> None:
    """Who keeps asking while refused waits no longer than who waits."""
    buckets, clock = filled(1.0, 1)
    buckets.take("a")
    for _ in range(10):
        clock.now_s += 0.09
        assert buckets.take("a") == 1
    clock.now_s += 0.11
    assert buckets.take("a") == 0


def test_a_bucket_fills_no_further_than_the_burst() -> None:
    """A long rest gives the burst and no more."""
    buckets, clock = filled(10.0, 4)
    for _ in range(4):
        buckets.take("a")
    clock.now_s += 86_400
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 1, 1]


def test_each_caller_has_a_bucket_of_its_own() -> None:
    """One that asks too often holds nobody else up."""
    buckets, _ = filled(1.0, 2)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
    assert [buckets.take("b") for _ in range(3)] == [0, 0, 1]


def test_memory_is_bounded_and_who_rested_longest_is_forgotten() -> None:
    """Beyond the bound the caller unused for longest starts anew; a busy one is still known."""
    buckets, _ = filled(0.001, 1, callers=2)
    assert [buckets.take(name) for name in ("rested", "busy")] == [0, 0]
    assert buckets.take("busy") > 0
    assert buckets.take("third") == 0
    assert buckets.take("busy") > 0
    assert buckets.take("rested") == 0
    assert len(buckets._level) == 2


@settings(deadline=None)
@given(
    st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 5), min_size=1, max_size=200)
)  # fmt: skip
def test_never_more_than_burst_and_rate_allow(rate_per_s: float, burst: int, pauses_s: list[float]) -> None:
    """Whatever the rhythm of the requests; and after the time that a refusal names, one passes."""
    buckets, clock = filled(rate_per_s, burst)
    passed, refusal_s = 0, 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        refusal_s = buckets.take("a")
        passed += refusal_s == 0
    assert passed <= burst + sum(pauses_s) * rate_per_s + 1e-6
    if refusal_s:
        clock.now_s += refusal_s + 1e-6
        assert buckets.take("a") == 0


def test_a_place_that_guesses_wrong_is_not_judged_again_and_another_is() -> None:
    """After a burst of wrong tokens; who shows a valid one is counted apart, as themselves."""
    limits, who = RateLimits(1.0, 2), Principal("ana", Role.ENGINEER, token_id=7)
    for _ in range(FAILED_BURST):
        assert limits.check_guess("192.0.2.7") is None
        assert limits.count("192.0.2.7", None) is None
    excess = limits.check_guess("192.0.2.7")
    assert excess is not None
    assert (excess.by, excess.caller, excess.wait_s) == ("address", "192.0.2.7", 1)
    assert limits.count("192.0.2.7", None) is not None
    assert limits.check_guess("192.0.2.8") is None
    counted = [limits.count("192.0.2.7", who) for _ in range(3)]
    assert [found and (found.by, found.caller, found.detail) for found in counted] == [
        None, None, ("token", "token 7", "too many requests from ana"),
    ]  # fmt: skip
    assert [limits.is_audited(excess) for _ in range(3)] == [True, False, False]


def test_a_user_who_is_guessed_at_may_still_log_in_from_where_they_have_before() -> None:
    """From everywhere else nobody is judged for a minute, whichever place guessed."""
    limits = RateLimits(1.0, 2)
    limits.note_login("192.0.2.1", "ana")
    for number in range(FAILED_BURST):
        assert limits.take_guess(f"198.51.100.{number}", "ana") is None
    excess = limits.take_guess("192.0.2.9", "ana")
    assert excess is not None
    assert (excess.by, excess.caller) == ("user", "user ana")
    assert 0 < excess.wait_s <= 60
    assert limits.take_guess("192.0.2.1", "ana") is None
    assert limits.take_guess("192.0.2.9", "ben") is None


def test_a_guess_counts_before_it_is_judged_and_not_if_it_was_right() -> None:
    """As many as are under way at once are counted; a right one, or one that could not be judged, is given back."""
    limits = RateLimits(1.0, 2)
    for number in range(3 * FAILED_BURST):
        place = f"198.51.100.{number}"
        assert limits.take_guess(place, "ana") is None
        limits.give_guess_back(place, "ana")
    for _ in range(3 * FAILED_BURST):
        assert limits.take_guess("192.0.2.9", "") is None
        limits.give_guess_back("192.0.2.9", "")
    under_way = [limits.take_guess("192.0.2.9", "ben") for _ in range(FAILED_BURST + 1)]
    assert [excess and excess.by for excess in under_way] == [None] * FAILED_BURST + ["address"]
    elsewhere = limits.take_guess("192.0.2.8", "ben")
    assert elsewhere is not None
    assert elsewhere.by == "user"
    assert [limits.take_guess("192.0.2.8", "") for _ in range(FAILED_BURST)] == [None] * FAILED_BURST, "not the place's"
