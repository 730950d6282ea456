"""A verdict on a spec as the API and the command line tell it."""

from gateway.api_models import Fault
from gateway.spec_check import Verdict
from gateway.spec_models import GoldenDifference, SpecReport, TieView


def report(verdict: Verdict) -> SpecReport:
    """A verdict as the API tells it."""
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
