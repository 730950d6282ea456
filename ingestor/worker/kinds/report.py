"""Reports by mail: made once, kept with their file, then sent until each recipient has it."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from broker.backoff import Backoff
from broker.errors import PermanentError, TransientError
from ingestor.notices.mail import SCHEMES, Handed, Mail, send
from ingestor.reports.document import Report
from ingestor.reports.gathering import gathered
from ingestor.reports.letter import html, plain, subject
from ingestor.reports.period import last_whole
from ingestor.reports.store import ReportChannel, report_asked_at, report_channel
from ingestor.reports.table import written
from ingestor.worker.context import Context, Result, Work
from store.errors import DATABASE_ERRORS, heals
from store.files import MIB, FileWriter, add_file, complete_file, drop_file, drop_unfinished_files, parts
from store.kinds.report import REPORT, ReportArguments
from store.meter_keys import MasterKeys
from store.notices.channels import Address, opened, sealed_for

SHOWN_METERS: Final = 100
"""Meters in the mail itself; all are in its file."""
MOST_ATTACHED_BYTES: Final = 7 * MIB
"""Larger ones many mail servers refuse (base64 makes them a third larger)."""
PATIENCE: Final = 4.0
"""A mail with a file may take so many times as long as a notification."""


class UnsentError(TransientError):
    """Somebody does not have the report yet."""


async def report(context: Context[ReportArguments]) -> Result:
    """At least once for each recipient: a repeat is possible only if the worker dies just as the server took it."""
    channel = await _channel(context)
    saved = dict(context.saved) or await _made(context)
    summary = Report.model_validate(saved["report"])
    mail = await _mail(context, saved, summary)
    waiting = ""
    handed = await _handed(context, channel, mail, saved)
    saved["sent"] = [*_marks(saved, "sent"), *handed.taken]
    saved["refused"] = {**_refused(saved), **handed.refused}
    waiting = handed.error or "; ".join(handed.waiting.values())
    await _note(context, saved, summary.meters)
    if handed.dead:
        raise PermanentError(f"channel {channel.name}: {handed.error}")
    if waiting:
        raise UnsentError(f"channel {channel.name}: {waiting}")
    refused = sorted(_refused(saved).values())
    if not _marks(saved, "sent"):
        raise PermanentError(f"channel {channel.name}: every recipient is refused: {'; '.join(refused)}")
    return {
        "period": summary.words, "meters": summary.meters, "incomplete": summary.incomplete, "channel": channel.name,
        "recipients": len(_marks(saved, "sent")), "refused": refused, "file": saved["name"], "bytes": saved["bytes"],
    }  # fmt: skip


async def _channel(context: Context[ReportArguments]) -> ReportChannel:
    name = context.arguments.channel
    found = await report_channel(context.pool, name)
    if found is None:
        raise PermanentError(f"channel: there is no channel {name} (`wattline notify channel list` has them)")
    if found.shown.partition(":")[0] not in SCHEMES:
        raise PermanentError(f"channel: {name} leads to {found.shown}, and a report goes by e-mail (mailtos://...)")
    return found


async def _made(context: Context[ReportArguments]) -> dict[str, Any]:
    """Make it, and keep it with its file: whoever gets it later gets the same."""
    pool, asked, number = context.pool, context.arguments, context.job.id
    stood = await report_asked_at(pool, number)
    zone = asked.zone or stood.zone
    span = last_whole(asked.period, zone, asked.before or stood.created_at)
    made = await gathered(pool, asked, span, zone, datetime.now(UTC), context.progress, of_store=zone == stood.zone)
    data = await asyncio.to_thread(written, made)
    name = f"wattline-{asked.period}-{span.since.astimezone(UTC):%Y%m%d}-{span.until.astimezone(UTC):%Y%m%d}.csv"
    settings = context.parts.settings
    await drop_unfinished_files(pool, number)
    file = await add_file(pool, number, name, "text/csv; charset=utf-8", context.job.taken.author, asked.kept)
    try:
        writer = FileWriter(pool, file, settings.export_mib * MIB, settings.files_mib * MIB)
        await writer.write(data)
        digest = await writer.end()
        saved = {
            "file": file, "name": name, "bytes": len(data), "report": made.cut(SHOWN_METERS).model_dump(mode="json")
        }  # fmt: skip
        async with pool.acquire() as connection, connection.transaction():
            await complete_file(connection, file, digest)
            await context.save(connection, saved, made.meters, made.meters)
    except BaseException:
        with contextlib.suppress(*DATABASE_ERRORS):
            await drop_file(pool, file)
        raise
    return saved


async def _mail(context: Context[ReportArguments], saved: Mapping[str, Any], summary: Report) -> Mail:
    attached = saved["name"] if saved["bytes"] <= MOST_ATTACHED_BYTES else None
    data = b""
    if attached is not None:
        data = b"".join([part async for part in parts(context.pool, saved["file"])])
        if len(data) != saved["bytes"]:
            raise PermanentError("the report's file has expired: ask for the report anew")
    number = context.job.id
    return Mail(
        f"wattline-report-{number}-{summary.made_at:%Y%m%dT%H%M%S%f}", summary.made_at, subject(summary),
        plain(summary, attached, number), html(summary, attached, number), attached, data,
    )  # fmt: skip


async def _handed(
    context: Context[ReportArguments], channel: ReportChannel, mail: Mail, saved: Mapping[str, Any]
) -> Handed:
    settings = context.parts.settings
    address = await asyncio.to_thread(_address, context, channel)
    context.go_on()
    return await send(
        address, mail, {*_marks(saved, "sent"), *_refused(saved)}, timeout_s=settings.notices_timeout_s * PATIENCE,
        private=settings.notices_private,
    )  # fmt: skip


def _address(context: Context[ReportArguments], channel: ReportChannel) -> Address:
    """Raises UnsentError: another worker, or this one with other settings, may open it."""
    file = context.parts.settings.meter_keys_file
    if file is None:
        raise UnsentError("this worker opens no channel: set WATTLINE_WORKER_METER_KEYS_FILE")
    try:
        return opened(MasterKeys.load(file).open(sealed_for(channel.name), channel.master, channel.sealed))
    except PermanentError as error:
        raise UnsentError(f"channel {channel.name}: {error}") from error


async def _note(context: Context[ReportArguments], saved: Mapping[str, object], meters: int) -> None:
    """Keep who has it, through an outage of the database: what is not kept is sent again."""
    backoff = Backoff(cap_s=10.0)
    while True:
        try:
            async with context.pool.acquire() as connection, connection.transaction():
                await context.save(connection, saved, meters, meters)
        except DATABASE_ERRORS as error:
            if not heals(error) or context.parts.stop.is_set():
                raise
            await asyncio.sleep(backoff.next_s())
        else:
            return


def _marks(saved: Mapping[str, Any], name: str) -> list[str]:
    return list(saved.get(name, ()))


def _refused(saved: Mapping[str, Any]) -> dict[str, str]:
    return dict(saved.get("refused", {}))


WORK: Final = Work(REPORT, report)
