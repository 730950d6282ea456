"""Whether new software does its work: kept where it does what the old one did, undone where it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from device.updater.health import WAIT, Look, Needs, Trial, Work, judge, look_of, needs_of, noted, observe

NEEDS = Needs(version="0.3.0", connected=True, readings=True, receipts=True, memory_mib=100, probation_s=600)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
GOOD = Look(version="0.3.0", boot="b1", connected=True, samples=10, confirmed=5, rss_mib=50)


def tried(*looks: Look, every_s: float = 10, reachable: bool = True, needs: Needs = NEEDS) -> tuple[str, str, float]:
    """The verdict over looks at this distance, and when it came."""
    trial = Trial()
    for number, look in enumerate(looks):
        trial = observe(trial, look, every_s if number else 0.0, needs, reachable=reachable)
        verdict = judge(trial, needs)
        if verdict.what != "wait":
            return verdict.what, verdict.why, number * every_s
    return "wait", "", len(looks) * every_s


def test_what_does_its_work_steadily_is_kept() -> None:
    """After a quarter of the probation without a restart; not sooner."""
    assert tried(*[GOOD] * 100) == ("confirm", "", 150)
    restarted = [GOOD] * 10 + [replace(GOOD, boot="b2")] * 100
    assert tried(*restarted) == ("confirm", "", 250)


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (replace(GOOD, samples=0), "it takes no readings"),
        (replace(GOOD, confirmed=0), "the store confirms nothing"),
        (replace(GOOD, connected=False), "it is not connected to the broker"),
        (replace(GOOD, version="0.2.0"), "version 0.2.0 answers, not 0.3.0"),
    ],
)
def test_what_is_alive_and_does_not_work_is_undone_at_the_end(look: Look, why: str) -> None:
    """And the reason names what it does not do."""
    assert tried(*[look] * 100) == ("go_back", f"within 600 s: {why}", 600)


def test_what_never_answers_is_not_waited_for() -> None:
    """Nobody hears the meters meanwhile."""
    assert tried(*[Look()] * 100) == ("go_back", "the agent has not answered for 60 s", 60)


def test_a_crash_loop_and_hunger_are_undone_at_once() -> None:
    """A supervisor that starts it again and again never calls it failed."""
    loop = [look for number in range(9) for look in (replace(GOOD, boot=f"b{number}"), Look())]
    what, why, at_s = tried(*loop)
    assert (what, why) == ("go_back", "it started 5 times and more")
    assert at_s < 100
    heavy = replace(GOOD, rss_mib=150)
    assert tried(GOOD, heavy, heavy, GOOD, *[GOOD] * 50)[0] == "confirm"
    assert tried(GOOD, heavy, heavy, heavy) == ("go_back", "it holds 150 MiB, more than 100", 30)


def test_an_outage_of_the_platform_is_no_fault_of_the_software_s() -> None:
    """It has its whole probation from when somebody could connect; of a device that was alone before nothing is asked.

    What else it does not do is not forgiven.
    """
    cut = replace(GOOD, connected=False, confirmed=0)
    assert tried(*[cut] * 500, reachable=False)[0] == "wait"
    trial = Trial()
    for number in range(200):
        trial = observe(trial, cut, 10, NEEDS, reachable=number < 50 or number >= 141)
        if number == 50:
            assert judge(trial, NEEDS) == WAIT
    assert (trial.elapsed_s, judge(trial, NEEDS).what) == (590, "wait")
    assert judge(observe(trial, cut, 10, NEEDS, reachable=True), NEEDS).what == "go_back"
    deaf = replace(cut, samples=0)
    trial = observe(Trial(elapsed_s=590), deaf, 10, NEEDS, reachable=False)
    assert judge(trial, NEEDS) == WAIT
    assert judge(observe(trial, deaf, 10, NEEDS, reachable=True), NEEDS).what == "go_back"
    alone = replace(NEEDS, connected=False, receipts=False)
    assert tried(*[cut] * 100, reachable=False, needs=alone)[0] == "confirm"


def test_it_must_do_what_the_old_one_did() -> None:
    """A device without a meter proves no reading, and one whose agent was down before proves that it connects."""
    reads = noted(Work(), replace(GOOD, confirmed=0), NOW)
    assert needs_of(reads, NOW, "0.3.0", 100, 600) == replace(NEEDS, receipts=False)
    # what is desired came over its connection: that it is away at this moment excuses nobody from having one
    assert needs_of(Work(), NOW, "0.3.0", 100, 600) == replace(NEEDS, readings=False, receipts=False)


def test_what_it_did_before_its_start_counts_for_a_day() -> None:
    """However short the look at it was: a meter that is read each quarter of an hour is a meter."""
    young = Look(version="0.2.0", boot="b2", connected=True)
    work = noted(noted(Work(), GOOD, NOW), young, NOW + timedelta(minutes=5))
    assert needs_of(work, NOW + timedelta(minutes=5), "0.3.0", 100, 600) == NEEDS
    # its meter was taken away a day ago
    gone = noted(noted(Work(), GOOD, NOW), GOOD, NOW + timedelta(hours=25))
    assert not needs_of(gone, NOW + timedelta(hours=25), "0.3.0", 100, 600).readings
    assert needs_of(gone, NOW - timedelta(hours=1), "0.3.0", 100, 600).readings, "a clock that was set back"


def test_a_probation_is_long_enough_for_some_readings() -> None:
    """A good release can't read a meter sooner than its interval."""
    work = noted(noted(Work(), GOOD, NOW), replace(GOOD, samples=11), NOW + timedelta(seconds=90))
    assert work.interval_s == 90
    assert needs_of(work, NOW, "0.3.0", 100, 10).probation_s == 270
    assert needs_of(work, NOW, "0.3.0", 100, 600).probation_s == 600
    assert needs_of(replace(work, read_at=None), NOW, "0.3.0", 100, 10).probation_s == 10


def test_an_agent_that_does_not_answer_changes_nothing_of_what_is_known() -> None:
    """Nor does one that answers nonsense."""
    work = noted(Work(), GOOD, NOW)
    assert noted(work, Look(), NOW + timedelta(hours=1)) == work


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", "-1", "1e30", "x"])
def test_a_value_that_nothing_has_is_nothing(value: str) -> None:
    """An agent on trial can't stop its own verdict by what it says."""
    page = f'wattline_device_info{{version="0.3.0",boot="b1"}} 1\nprocess_resident_memory_bytes {value}\n'
    page += f"wattline_device_samples_total {value}\nwattline_device_confirmed_total {value}\n"
    assert look_of(page) == Look(version="0.3.0", boot="b1")


def test_a_look_is_read_from_the_agent_s_page() -> None:
    """Labels of one metric add up; what is missing or no number is nothing."""
    page = """# HELP wattline_device_info Which agent this is
wattline_device_info{version="0.3.0",boot="b1"} 1
wattline_device_connected 1.0
wattline_device_samples_total{source="live"} 7.0
wattline_device_samples_total{source="backfill"} 3.0
wattline_device_confirmed_total 5.0
wattline_device_x_total nonsense
process_resident_memory_bytes 52428800
"""
    assert look_of(page) == GOOD
    assert look_of("<html>") == Look()
