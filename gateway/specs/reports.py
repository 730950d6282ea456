"""A verdict on a spec, a comparison of two, and a group of unknown meters as the API and the command line tell them."""

from gateway.models import Fault
from gateway.specs.check import Verdict
from gateway.specs.compare import Comparison
from gateway.specs.models import (
    CodeDifference,
    FrameDifference,
    GoldenDifference,
    SpecComparison,
    SpecReport,
    TieView,
    UnknownGroup,
)
from gateway.specs.unknown import MAX_NAMED, Unknown


def report(verdict: Verdict) -> SpecReport:
    """A verdict as the API shows it."""
    spec = verdict.spec
    return SpecReport(
        valid=verdict.publishable,
        spec=spec.name if spec else None,
        version=spec.version if spec else None,
        sha256=spec.digest if spec else None,
        goldens_checked=verdict.checked,
        goldens_unchecked=verdict.unchecked,
        errors=tuple(Fault(field=one.field, reason=one.reason, fix=one.fix) for one in verdict.faults()),
        differences=tuple(
            GoldenDifference(field=one.field, golden=one.golden, code=one.code, expected=one.expected, got=one.got)
            for one in verdict.goldens
        ),
        ties=tuple(TieView(golden=one.golden, spec=one.spec, score=one.score) for one in verdict.ties),
    )


def comparison_view(found: Comparison) -> SpecComparison:
    """A comparison as the API shows it, the readings that differ most often first."""
    codes = sorted(found.tallies.items(), key=lambda one: (-one[1].frames, one[0]))
    return SpecComparison(
        old=found.old,
        new=found.new,
        frames=found.frames,
        meters=len(found.meters),
        since=found.since,
        unreadable=found.unreadable,
        same=found.same,
        different=found.different,
        only_old=found.only_old,
        only_new=found.only_new,
        codes=tuple(
            CodeDifference(code=code, frames=tally.frames, meters=len(tally.meters)) for code, tally in codes[:200]
        ),
        differences=tuple(
            FrameDifference(frame=one.frame, meter=one.meter, at=one.at, what=one.what, old=one.old, new=one.new)
            for one in found.listed
        ),
    )


def unknown_view(one: Unknown, without_unit: tuple[str, ...] = ()) -> UnknownGroup:
    """A group of unknown meters as the API shows it."""
    return UnknownGroup(
        group=one.group,
        protocol=one.protocol,
        manufacturer=one.manufacturer,
        family=one.family,
        specs=tuple(sorted(one.specs)),
        devices=len(one.devices),
        meters=len(one.meters),
        frames=one.frames,
        since=one.since,
        last_frame_at=one.last_frame_at,
        examples=tuple(one.meters[:MAX_NAMED]),
        without_unit=without_unit,
    )
