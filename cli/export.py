"""The command `wattline export`."""

from pathlib import Path

import click
from yarl import URL

from cli.connection import api_options
from cli.times import Time
from cli.transfers import STDOUT, fetch, free, transferred


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--from",
    "since",
    type=Time(),
    metavar="TIME",
    help="First time: RFC 3339, a date, -7d, -24h, today, yesterday (UTC); 24 hours before --to without it.",
)
@click.option("--to", "until", type=Time(), metavar="TIME", help="Time after the last, as --from; now without it.")
@click.option("--force", is_flag=True, help="Overwrite FILE where it exists.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet"]),
    help="By the file's name without it, .csv or .parquet; csv for standard output.",
)
@click.option("--step", type=click.Choice(["raw", "15m", "1h", "1d", "1mo"]), default="raw", show_default=True,
              help="Readings as they are, or by interval.")  # fmt: skip
@click.option("--consumption", is_flag=True, help="What registers consumed in each interval, in place of roll-ups.")
@click.option("--device", "devices", multiple=True, help="Only this device; may be given again.")
@click.option("--meter", "meters", multiple=True, help="Only this meter; may be given again.")
@click.option("--obis", "codes", multiple=True, help="Only this OBIS code; may be given again.")
@api_options()
def export(
    file: Path, since: str | None, until: str | None, force: bool, form: str | None, step: str, consumption: bool,
    devices: tuple[str, ...], meters: tuple[str, ...], codes: tuple[str, ...], url: str, token: str | None,
) -> None:  # fmt: skip
    """Write readings, roll-ups or consumption to FILE (- for standard output)."""
    chosen = form or ("csv" if file == STDOUT else file.suffix.lower().removeprefix("."))
    if chosen not in ("csv", "parquet"):
        raise click.UsageError(f"{file}: a name that ends in .csv or .parquet says the format; else give --format")
    free(file, force=force)
    lists = {"device": devices, "meter": meters, "obis": codes}
    query = {"format": chosen, "step": step} | {name: ",".join(given) for name, given in lists.items() if given}
    query |= {name: given for name, given in (("from", since), ("to", until)) if given}
    if consumption:
        query["what"] = "consumption"
    address = (URL(url) / "api" / "v1" / "export").with_query(query)
    transferred(fetch(address, token, file, form=chosen, force=force), file)
