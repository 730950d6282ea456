"""What jobs of some kinds need to be there, seen to when they are asked for: at night nobody mends it."""

from collections.abc import Iterator

from gateway.faults import Fault, invalid_fields
from gateway.jobs.store import ReportWants, report_wants
from store.kinds.kind import JobArguments
from store.kinds.report import ReportArguments
from store.sql import Connection

_BY_MAIL = ("mailto:", "mailtos:")


async def check_wants(connection: Connection, arguments: JobArguments) -> None:
    """See that what a job names is there. Raises Refusal: invalid, with all that is wrong."""
    if isinstance(arguments, ReportArguments):
        found = await report_wants(connection, arguments.channel, arguments.group, arguments.meters)
        if faults := list(_report_faults(arguments, found)):
            raise invalid_fields(faults)


def _report_faults(asked: ReportArguments, found: ReportWants) -> Iterator[Fault]:
    if found.shown is None:
        fix = "`wattline notify channel list` has what there is, `wattline notify channel set NAME` makes one"
        yield Fault("arguments.channel", f"there is no channel {asked.channel!r}", fix)
    elif not found.shown.startswith(_BY_MAIL):
        fix = "name one of e-mail: mailtos://user:password@smtp.example.org:587?from=...&to=..."
        yield Fault("arguments.channel", f"{asked.channel!r} leads to {found.shown}, which takes no report", fix)
    if not found.has_group:
        yield Fault(
            "arguments.group", f"there is no group {asked.group!r}", "`wattline config group list` has what there is"
        )
    if found.unknown_meter is not None:
        fix = "GET /api/v1/meters has what there is"
        yield Fault("arguments.meters", f"there is no meter {found.unknown_meter!r}", fix)
