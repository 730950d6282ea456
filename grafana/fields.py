"""How values are shown: units that stay, colours that mean a state, words in place of codes, and links."""

from dataclasses import dataclass

from grafana_foundation_sdk.models import dashboard as model

Steps = tuple[tuple[float | None, str], ...]
"""From which value on a colour holds; the first is from None."""
NONE_IS_GOOD: Steps = ((None, "green"), (1, "orange"))
BAD: Steps = ((None, "green"), (1, "red"))
NO_STATE = "text"
"""The colour of what is neither good nor bad."""
SERIES = ("blue", "purple", "super-light-blue")
"""Of lines and bars, which name and do not judge; green, orange and red are states."""
KWH, KW = "suffix:kWh", "suffix:kW"
"""Grafana's own kwatth and kwatt turn 9981.2 kWh into 10.0 MWh, which nobody can compare with a meter's display."""
NUMBER_PX, TIME_PX = 90, 165
_TIMES_PX = {"dateTimeAsIso": TIME_PX, "dateTimeFromNow": 135}
_COLORED: list[tuple[str, object]] = [
    ("custom.cellOptions", {"type": "color-text"}),
    ("custom.displayMode", "color-text"),
]
"""The second is what the first 9.4 reads."""
_SIGNED = frozenset(
    "USD GBP EUR JPY RUB UAH BRL DKK ISK NOK SEK CZK CHF PLN ZAR INR KRW IDR PHP VND".split()  # noqa: SIM905
)
"""The currencies for which Grafana 9.4 has a unit."""


@dataclass(frozen=True, slots=True)
class Field:
    """How a column or a value is shown: `unit` is one of Grafana's, `texts` maps values to (text, colour)."""

    name: str = ""
    """Of a column or series; between slashes it is a regular expression."""
    unit: str | None = None
    decimals: int | None = None
    steps: Steps = ()
    texts: tuple[tuple[str, str, str], ...] = ()
    link: tuple[str, str] | None = None
    """Title and address of what a click opens."""
    empty: str | None = "-"
    """What stands where there is no value."""
    color: str | None = None
    """Of a line or bar."""
    below: bool = False
    """Drawn below the zero line, its numbers as they are."""
    hidden: bool = False
    """A column that only links read."""
    width_px: int | None = None
    align: str | None = None

    def override(self) -> model.DashboardFieldConfigSourceOverrides:
        """The override of a panel's field config for this column."""
        named = "byRegexp" if self.name.startswith("/") else "byName"
        return override(named, self.name, self._properties())

    def _properties(self) -> list[tuple[str, object]]:
        pairs: list[tuple[str, object]] = [
            ("unit", self.unit),
            ("decimals", self.decimals),
            ("noValue", "" if self.link else self.empty),
            ("custom.width", self.width_px or _TIMES_PX.get(self.unit or "")),
            ("custom.align", self.align),
        ]
        if self.steps:
            pairs += [("thresholds", thresholds(self.steps)), ("color", {"mode": "thresholds"}), *_COLORED]
        if self.texts:
            pairs += [("mappings", [texts(self.texts)]), *_COLORED]
        if self.link is not None:
            pairs.append(("links", [{"title": self.link[0], "url": self.link[1]}]))
        if self.color is not None:
            pairs.append(("color", {"mode": "fixed", "fixedColor": self.color}))
        pairs.append(("custom.transform", "negative-Y" if self.below else None))
        if self.hidden:  # the second from Grafana 12 on
            pairs += [("custom.hidden", True), ("custom.hideFrom", {"viz": True, "tooltip": False, "legend": False})]
        return pairs


def override(matcher: str, options: str, pairs: list[tuple[str, object]]) -> model.DashboardFieldConfigSourceOverrides:
    """Settings of the fields that a matcher of Grafana's finds; a setting of None is none."""
    return model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val=matcher, options=options),
        properties=[model.DynamicConfigValue(id_val=name, value=value) for name, value in pairs if value is not None],
    )


BY_LETTER = tuple(
    Field(f"/^[{letters}]/i", color=color)
    for letters, color in (
        ("a-g", "purple"),
        ("h-m", "super-light-blue"),
        ("n-r", "blue"),
        ("s-z", "super-light-purple"),
    )
)
"""Of series whose names only the store knows: each has its colour always, and none is one of a state."""


def money(currency: str) -> str:
    """The unit of an ISO 4217 currency; a code that Grafana has no unit for stands behind the number."""
    return f"currency{currency}" if currency in _SIGNED else f"suffix:{currency}"


def thresholds(steps: Steps) -> model.ThresholdsConfig:
    """Colours by absolute value."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=made)


def texts(mapping: tuple[tuple[str, str, str], ...]) -> model.ValueMap:
    """Texts and colours in place of values."""
    options = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(mapping)
    }
    return model.ValueMap(options=options)
