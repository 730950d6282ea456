"""The verdict on one run: what its telegrams became, and what earlier runs of the same stack had left."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.count import Stored, longest_silence_s, wrong_readings
from tests.chaos.stack import Stack

# first_seq - 1 more are missing where the boot's beginning was lost too
_LOST: Final = "SELECT device, boot, lost + coalesce(first_seq, 1) - 1 AS lost FROM message_gap"


@dataclass
class Verdict:
    """What one run showed."""

    given: int = 0
    stored: int = 0
    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    quarantined: int = 0
    longest_silence_s: float = 0.0
    recovery_s: float = 0.0
    drained: bool = True
    broken: list[str] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, repeated or wrong, no other promise was broken, and all outboxes got empty."""
        return self.drained and not (self.lost or self.repeated or self.wrong or self.broken)


@dataclass
class Before:
    """What earlier runs of the same stack left, so that each run answers for itself."""

    wrong: set[Any] = field(default_factory=set)
    holes: set[Any] = field(default_factory=set)
    doubled_frames: int = 0
    doubled_events: int = 0
    quarantined: int = 0
    crashes: int = 0


async def judge(stack: Stack, stored: Stored, before: Before, began_s: float, ended_s: float) -> Verdict:
    """Count what was given between then and then, and what is new since `before`, which is brought up to date.

    What agents themselves say that they have left out is not lost: a setting wants it so.
    """
    heard = stack.truth.heard(stored.energies)
    inside = [t for telegrams in heard.values() for t in telegrams if began_s <= t.sent_s < ended_s]
    given = {(t.meter, t.energy_wh) for t in inside}
    absent = {key for key in given if key not in stored.times}
    lost = absent - stored.kept_wh
    frames_lost = {t.frame for t in inside if not stored.frames[t.meter, t.frame]}
    wrong = await _wrong(stack, stored)
    holes = stored.holes()
    doubled_frames = sum(count - 1 for count in stored.frames.values())
    doubled_events = sum(count - 1 for count in stored.events.values())
    unnamed = await _unnamed(stack, stored)
    every = sum(began_s <= t.sent_s < ended_s for telegrams in stack.truth.given.values() for t in telegrams)
    left_out = await stack.left_out()
    readings_left_out = min(len(lost - stack.destroyed_wh), left_out.readings)
    frames_left_out = min(len(frames_lost - stack.destroyed_frames), left_out.frames)
    detail = {
        "left_out": readings_left_out,
        "readings_lost": len(lost - stack.destroyed_wh) - readings_left_out,
        "frames_lost": len(frames_lost - stack.destroyed_frames) - frames_left_out,
        "messages_lost": len(holes - before.holes - stack.destroyed),
        "readings_repeated": sum(len(times) - 1 for key, times in stored.times.items() if key in given),
        "frames_repeated": doubled_frames - before.doubled_frames,
        "events_repeated": doubled_events - before.doubled_events,
        "unheard": every - len(given),
        "kept_in_quarantine": len(absent & stored.kept_wh),
        "destroyed": len(lost & stack.destroyed_wh),
        "messages_destroyed": len(stack.destroyed - stored.messages.keys()),
        "unnamed": unnamed,
        "lost_which": sorted(f"{meter} {energy}" for meter, energy in lost - stack.destroyed_wh)[:10],
        "wrong_which": sorted(str(one)[:120] for one in wrong - before.wrong)[:10],
    }
    verdict = Verdict(
        given=len(given),
        stored=len(given) - len(absent),
        lost=detail["readings_lost"] + detail["frames_lost"] + detail["messages_lost"] + unnamed,
        repeated=detail["readings_repeated"] + detail["frames_repeated"] + detail["events_repeated"],
        wrong=len(wrong - before.wrong),
        quarantined=stored.quarantined - before.quarantined,
        longest_silence_s=round(longest_silence_s(stored, began_s, ended_s), 1),
        detail=detail,
    )
    verdict.broken, stack.broken = stack.broken, []
    before.wrong |= wrong
    before.holes |= holes
    before.doubled_frames, before.doubled_events = doubled_frames, doubled_events
    before.quarantined = stored.quarantined
    return verdict


async def _unnamed(stack: Stack, stored: Stored) -> int:
    """By how many messages the ledger's count of what is lost is wrong, of boots that a fault destroyed a part of."""
    boots = {(device, boot) for device, boot, _ in stack.destroyed}
    if not boots:
        return 0
    named = {(row["device"], row["boot"]): row["lost"] for row in await stack.query(_LOST)}
    gone = Counter((device, boot) for device, boot, _ in stack.destroyed - stored.messages.keys())
    return sum(abs(gone[boot] - named.get(boot, 0)) for boot in boots)


async def _wrong(stack: Stack, stored: Stored) -> set[Any]:
    """Readings and frames that nobody gave or that are not as given."""
    names = sorted({name for names in stack.told_by.values() for name in names})
    rows = await stack.query("SELECT DISTINCT event FROM event WHERE event = ANY ($1)", names)
    events = {row["event"] for row in rows}
    told = {
        meter for meter in stack.truth.clocks_stepped
        if meter not in stack.told_by or events.intersection(stack.told_by[meter])
    }  # fmt: skip
    known = {t.frame for telegrams in stack.truth.given.values() for t in telegrams}
    frames = {("frame", data) for meter, data in stored.frames if data not in known and meter not in stack.foreign}
    return {one for one in wrong_readings(stored, stack.truth, told) if one[0] not in stack.foreign} | frames
