"""Time series as a picture: panels one below the other, a line a process. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
PANEL: Final = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 34, 26
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#4b5563")
Points = list[tuple[float, float]]
"""Seconds since the beginning, and the value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity of several processes, in the unit of its title."""

    title: str
    lines: dict[str, Points]


def svg(title: str, panels: Iterable[Panel]) -> str:
    """The picture as SVG text."""
    drawn = list(panels)
    names = list(dict.fromkeys(name for panel in drawn for name in panel.lines))
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    height = 40 + PANEL * len(drawn)
    box = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="26" font-size="16" fill="#111827">{escape(title)}</text>',
    ]
    for place, panel in enumerate(drawn):
        parts += _panel(panel, 36 + PANEL * place, colours)
    return "\n".join([*parts, "</svg>"]) + "\n"


def nice(top: float) -> float:
    """The first of 1, 2, 5, 10, 20 ... that is not below."""
    step = 1e-3
    while True:
        for factor in (1, 2, 5):
            if step * factor >= top:
                return step * factor
        step *= 10


def _panel(panel: Panel, y: int, colours: dict[str, str]) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    end_s = max((at for at, _ in points), default=1.0) or 1.0
    top = nice(max((value for _, value in points), default=1.0) or 1.0)
    high, width = PANEL - _TOP - _BOTTOM, WIDTH - _LEFT - _RIGHT
    base = y + _TOP + high
    parts = [f'<text x="{_LEFT}" y="{y + 22}" fill="#111827">{escape(panel.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        at = base - high * share
        parts.append(f'<line x1="{_LEFT}" y1="{at}" x2="{_LEFT + width}" y2="{at}" stroke="#e5e7eb"/>')
        label = f"{top * share:g}"
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4}" text-anchor="end" fill="#6b7280">{label}</text>')
    for share in (0.0, 0.5, 1.0):
        anchor = ("start", "middle", "end")[round(share * 2)]
        minutes = f"{end_s * share / 60:.1f} min"
        at = _LEFT + width * share
        parts.append(f'<text x="{at}" y="{base + 18}" text-anchor="{anchor}" fill="#6b7280">{minutes}</text>')
    for place, (name, line) in enumerate(panel.lines.items()):
        path = " ".join(f"{_LEFT + width * at / end_s:.1f},{base - high * value / top:.1f}" for at, value in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="1.5"/>')
        last = f"{line[-1][1]:.3g}" if line else ""
        text = f'x="{_LEFT + width + 10}" y="{y + _TOP + 12 + 17 * place}" fill="{colours[name]}"'
        parts.append(f"<text {text}>{escape(name)} {last}</text>")
    return parts
