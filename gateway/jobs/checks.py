"""What jobs of some kinds need to be there, seen to when they are asked for: at night nobody mends it."""

from collections.abc import Iterator
from typing import Final

from gateway.faults import Fault, invalid_fields
from gateway.jobs.store import ImportWants, ReportWants, import_wants, report_wants
from store.export.store import export_unknown
from store.kinds.export import ExportArguments
from store.kinds.importing import ImportArguments
from store.kinds.kind import JobArguments
from store.kinds.report import ReportArguments
from store.sql import Connection

_ARGUMENTS: Final = {"device": "arguments.devices", "meter": "arguments.meters", "obis": "arguments.obis"}
_LISTED: Final = {
    "device": "`wattline device list` has what there is",
    "meter": "`wattline meter list` has what there is",
    "obis": "write a code of which there are readings, as 1-0:1.8.0",
}
_BY_MAIL = ("mailto:", "mailtos:")


async def check_wants(connection: Connection, arguments: JobArguments) -> None:
    """See that what a job names is there. Raises Refusal: invalid, with all that is wrong."""
    faults: list[Fault] = []
    if isinstance(arguments, ReportArguments):
        wants = await report_wants(connection, arguments.channel, arguments.group, arguments.meters)
        faults += _report_faults(arguments, wants)
    elif isinstance(arguments, ImportArguments):
        found = await import_wants(connection, arguments.source, arguments.version, arguments.file)
        faults += _import_faults(arguments, found)
    elif isinstance(arguments, ExportArguments):
        missing = await export_unknown(connection, arguments.devices, arguments.meters, arguments.obis)
        if missing is not None:
            fix = _LISTED[missing.kind]
            faults.append(Fault(_ARGUMENTS[missing.kind], f"there is no {missing.kind} {missing.name[:100]!r}", fix))
    if faults:
        raise invalid_fields(faults)


def _import_faults(asked: ImportArguments, found: ImportWants) -> Iterator[Fault]:
    name = asked.source
    if not found.has_source:
        fix = f"`wattline source create {name} --kind file` makes it, `wattline source list` has what there is"
        yield Fault("arguments.source", f"there is no source {name!r}", fix)
    elif not found.has_mapping:
        which = "no mapping" if asked.version is None else f"no version {asked.version} of its mapping"
        fix = f"`wattline source draft FILE` proposes one, `wattline source map {name} FILE` gives it"
        yield Fault("arguments.source", f"{name} has {which}", fix)
    if not found.has_file:
        fix = "send it: POST /api/v1/job-files, or `wattline job import FILE`"
        yield Fault("arguments.file", f"there is no file {asked.file}, or it did not come whole", fix)


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
        yield Fault("arguments.meters", f"there is no meter {found.unknown_meter!r}", _LISTED["meter"])
