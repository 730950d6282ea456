"""A file into history, portion by portion, on from where the worker before stood."""

from typing import Final

from broker.errors import PermanentError
from broker.wording import counted
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.importing import Importing, Tally
from ingestor.worker.lines import cut, heading
from ingestor.worker.mappings.store import mapping_document
from ingestor.worker.store import source_of_import
from meters.mappings.document import Form, Mapping
from meters.mappings.load import load_mapping
from store.files import KEPT, PART_BYTES, JobFile, drop_file, file_part, find_file, keep_file
from store.kinds.importing import IMPORT, ImportArguments
from store.pool import Pool
from store.source_settings import device_of

SHOWN_FAULTS: Final = 3
"""Of an import that gave nothing, in its error."""
PORTION_RECORDS: Final = 5_000
PORTION_BYTES: Final = PART_BYTES
"""A record may not be longer; what is in memory is two of these."""


class _Reading:
    """The bytes of a file from a place on, some more at a time."""

    def __init__(self, pool: Pool, file: JobFile, at: int) -> None:
        self._pool = pool
        self._file = file
        self._next = at // PART_BYTES
        self._skip = at % PART_BYTES
        self.at = at
        self.data = b""

    @property
    def whole(self) -> bool:
        """Whether nothing comes behind what is read."""
        return self.at + len(self.data) >= self._file.bytes

    async def fill(self, size: int) -> None:
        """Read until there are so many bytes, or no more. Raises PermanentError where the file is gone."""
        while len(self.data) < size and not self.whole:
            part = await file_part(self._pool, self._file.id, self._next)
            if part is None:
                raise PermanentError("the file was removed while it was read: send it again")
            self.data += part[self._skip :]
            self._next, self._skip = self._next + 1, 0

    def drop(self, size: int) -> None:
        """These bytes are done."""
        self.data = self.data[size:]
        self.at += size


async def import_(context: Context[ImportArguments]) -> Result:
    """Map and store what is left of the file; it is removed in the end."""
    pool, asked, tally = context.pool, context.arguments, Tally.of(context.saved)
    file = await find_file(pool, asked.file)
    if context.saved and file is None:
        # all of it was done, and the worker died before it could say so
        return _result(context, tally, asked.source)
    if file is None or not file.complete:
        raise PermanentError(f"there is no file {asked.file}: it has expired, or was never sent whole")
    await keep_file(pool, file.id, context.job.id, KEPT)
    source = await source_of_import(pool, asked.source)
    if source is None:
        raise PermanentError(f"there is no source {asked.source}")
    version = asked.version or source.version
    document = None if version is None else await mapping_document(pool, asked.source, version)
    if version is None or document is None:
        raise PermanentError(f"the source {asked.source} has no mapping {asked.version or 'yet'}")
    mapping = load_mapping(document, origin=f"{asked.source}@{version}", trusted=True)
    importing = Importing(context, _of_a_portion(mapping), file, source.device_id, version)
    await _import(context, importing, mapping.format, file, tally)
    await drop_file(pool, file.id)
    return _result(context, tally, f"{asked.source}@{version}")


async def _import(
    context: Context[ImportArguments], importing: Importing, form: Form, file: JobFile, tally: Tally
) -> None:
    blank = b' \t\r\n"' + form.delimiter.encode(form.encoding) if form.type == "csv" else b" \t\r\n"
    top = _Reading(context.pool, file, 0)
    await top.fill(PORTION_BYTES)
    names, above = b"", None
    if form.type == "csv":
        names, above = heading(top.data, skip_lines=form.skip_lines, header=form.header, blank=blank)
        if not tally.at:
            tally.at, tally.lines = above.bytes, above.lines
    reading = _Reading(context.pool, file, tally.at)
    while True:
        await reading.fill(PORTION_BYTES)
        if not reading.data:
            return
        found = cut(reading.data, whole=reading.whole, quoted=form.type == "csv", blank=blank, most=PORTION_RECORDS)
        if not found.bytes:
            raise PermanentError(
                f"the record at line {tally.lines + 1} is longer than {PORTION_BYTES} bytes: is a quote left open?"
            )
        context.go_on()
        after = Tally(**tally.document())  # type: ignore[arg-type]
        after.at, after.lines = tally.at + found.bytes, tally.lines + found.lines
        await importing.take(names + reading.data[: found.bytes], found.numbers, tally, after)
        reading.drop(found.bytes)
        for name, value in after.document().items():
            setattr(tally, name, value)


def _of_a_portion(mapping: Mapping) -> Mapping:
    """The same mapping for a part of the file, with the header alone above it. Raises PermanentError."""
    form = mapping.format
    if form.type not in ("csv", "ndjson") or form.encoding == "utf-16":
        what = form.type if form.type not in ("csv", "ndjson") else form.encoding
        raise PermanentError(f"format: an import reads csv and ndjson in utf-8, latin-1 or cp1252, and not {what}")
    return mapping.model_copy(update={"format": form.model_copy(update={"skip_lines": 0})})


def _result(context: Context[ImportArguments], tally: Tally, mapping: str) -> Result:
    """What came of it. Raises PermanentError where nothing did: nobody should take that for done."""
    if tally.is_vain:
        raise PermanentError(_why_vain(tally, context.arguments.source, mapping))
    return {"source": context.arguments.source, **tally.document()}


def _why_vain(tally: Tally, source: str, mapping: str) -> str:
    faults = f"{counted(tally.faulty, 'fault')}, {'; '.join(tally.faults[:SHOWN_FAULTS])}" if tally.faulty else ""
    if not tally.values:
        # the mapping is of another file, or the file of another mapping
        return (
            f"nothing of the file fits the mapping {mapping}: {faults}; correct the mapping, then import the file again"
        )
    why = [
        f"{counted(number, 'value')} in quarantine, {name}: {tally.details[name]}"
        for name, number in tally.reasons.items()
    ]
    said = "; ".join(filter(None, (*why, faults)))
    return (
        f"history has none of the file's values: {said}; mend what these name, then take them out of quarantine "
        f"(wattline quarantine retry --device {device_of(source)}), or import the file again"
    )


WORK: Final = Work(IMPORT, import_)
