"""Exports into a file: page by page, within bounds; a worker that dies leaves nothing, and the next one begins anew."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any, Final

from ingestor.worker.context import Context, Result, Work
from store.errors import DATABASE_ERRORS
from store.files import MIB, FileWriter, add_file, complete_file, drop_file, drop_unfinished_files
from store.kinds.export import EXPORT, ExportArguments


async def export(context: Context[ExportArguments]) -> Result:
    """The file is whole in the moment in which the job is: what is fetched is never a part."""
    # pyarrow takes long to load, and most workers never export
    from store.export.formats import MEDIA, encoded  # noqa: PLC0415
    from store.export.selection import Export, Selection  # noqa: PLC0415

    asked, pool, settings = context.arguments, context.pool, context.parts.settings
    since, until = asked.since.astimezone(UTC), asked.until.astimezone(UTC)
    selection = Selection(since, until, asked.step, asked.what, asked.devices, asked.meters, asked.obis)
    await drop_unfinished_files(pool, context.job.id)
    counted = _Counted(context, await Export.prepare(pool, selection))
    name = f"wattline-{since:%Y%m%d}-{until:%Y%m%d}-{asked.step}.{asked.format}"
    number = await add_file(pool, context.job.id, name, MEDIA[asked.format], context.job.taken.author, asked.kept)
    writer = FileWriter(pool, number, settings.export_mib * MIB, settings.files_mib * MIB)
    try:
        async for part in encoded(counted, selection, asked.format):
            await writer.write(part)
        digest = await writer.end()
        async with pool.acquire() as connection, connection.transaction():
            await complete_file(connection, number, digest)
            await context.save(connection, {}, counted.rows_read, counted.rows_read)
    except BaseException:
        # where the database is away it stays as it is, unfinished: nobody fetches it, and it expires
        with contextlib.suppress(*DATABASE_ERRORS):
            await drop_file(pool, number)
        raise
    return {"file": name, "rows": counted.rows_read, "bytes": writer.bytes, "sha256": digest}


class _Counted:
    """An export that says how far it is, page by page; it ends where the job does."""

    def __init__(self, context: Context[ExportArguments], export: Any) -> None:
        self._context = context
        self._export = export
        self.series = export.series
        self.rows_read = 0

    async def pages(self) -> AsyncIterator[list[Any]]:
        """Pages of rows by time and series."""
        total = max(1, self._export.rows)
        async for rows in self._export.pages():
            self.rows_read += len(rows)
            await self._context.progress(self.rows_read, max(total, self.rows_read))
            yield rows


WORK: Final = Work(EXPORT, export)
