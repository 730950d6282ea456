"""Writes the dashboards' JSON files: `python -m grafana.build`, or with --check says whether they are current."""

import json
from pathlib import Path

import click

from grafana.fleet import ZONE, dashboard

FOLDER = Path(__file__).parent / "dashboards"


def rendered(zone: str = ZONE) -> dict[str, str]:
    """The text of each dashboard by file name."""
    return {"wattline-fleet.json": json.dumps(dashboard(zone), indent=2, ensure_ascii=False) + "\n"}


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, help="Where to write.")
@click.option("--zone", default=ZONE, show_default=True, help="Whose midnight begins today.")
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not current.")
def main(folder: Path, zone: str, check: bool) -> None:
    """Write the dashboards' JSON files from their definitions."""
    for name, text in rendered(zone).items():
        file = folder / name
        if check:
            if not file.is_file() or file.read_text("utf-8") != text:
                raise click.ClickException(f"{file} is not current: run python -m grafana.build")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
