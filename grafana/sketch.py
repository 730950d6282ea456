"""Draws each dashboard's layout for the docs: `python -m grafana.sketch`; --check says whether it is current."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import click

from grafana.build import dashboards
from grafana.settings import GrafanaSettings

FOLDER = Path(__file__).parent.parent / "docs" / "dashboards"
_UNIT_X, _UNIT_Y, _GAP = 32, 16, 3
_KINDS = {
    "stat": ("number", "#2f5233"),
    "timeseries": ("over time", "#1f4b73"),
    "barchart": ("bars", "#1f4b73"),
    "heatmap": ("heat map", "#7a3b12"),
    "bargauge": ("ranking", "#4a3a6b"),
    "table": ("table", "#3a3f47"),
}


def sketch(board: dict[str, Any]) -> str:
    """One dashboard as SVG: a box a panel, with its title and kind, in the places that Grafana gives them."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * _UNIT_Y
    boxes = "\n".join(_row(panel) if panel["type"] == "row" else _box(panel) for panel in board["panels"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * _UNIT_X} {height}" font-family="sans-serif">\n'
        f"<title>{escape(board['title'])}</title>\n"
        f'<rect width="100%" height="100%" fill="#111217"/>\n{boxes}\n</svg>\n'
    )


def _box(panel: dict[str, Any]) -> str:
    place = panel["gridPos"]
    x, y = place["x"] * _UNIT_X + _GAP, place["y"] * _UNIT_Y + _GAP
    kind, color = _KINDS[panel["type"]]
    wide, high = place["w"] * _UNIT_X - 2 * _GAP, place["h"] * _UNIT_Y - 2 * _GAP
    middle = f'x="{x + wide // 2}" y="{y + high // 2 + 10}" text-anchor="middle"'
    return (
        f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="3" fill="#181b1f" stroke="{color}"/>\n'
        f'<text x="{x + 8}" y="{y + 17}" font-size="12" fill="#d8d9da">{escape(panel["title"])}</text>\n'
        f'<text {middle} font-size="11" fill="#8e8e8e">{kind}</text>'
    )


def _row(panel: dict[str, Any]) -> str:
    y = panel["gridPos"]["y"] * _UNIT_Y + 12
    return f'<text x="6" y="{y}" font-size="12" font-weight="bold" fill="#8e9bff">{escape(panel["title"])}</text>'


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, help="Where to write.")
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not current.")
def main(folder: Path, check: bool) -> None:
    """Draw the dashboards as the settings' defaults have them."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in dashboards(GrafanaSettings.model_construct()):
        file = folder / f"{board['uid']}.svg"
        if not check:
            file.write_text(sketch(board), "utf-8")
        elif not file.is_file() or file.read_text("utf-8") != sketch(board):
            raise click.ClickException(f"{file} is not current: run python -m grafana.sketch")


if __name__ == "__main__":
    main()
