"""The dashboard 'Wattline fleet': is everybody there, what do they draw, and who needs a look."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import DEVICE, METER, ONLINE, Part, dashboard, devices, meters, silent_after, source
from grafana.panels import NONE_IS_GOOD, Field, Frame, bars, lines, number, ranking, rows
from grafana.settings import GrafanaSettings

_TODAY = (
    "Import since local midnight by the meters' registers, right through rollover, reset and swap. "
    "A meter whose registers can't be trusted for the day is left out and not guessed."
)


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    return dashboard(
        "fleet",
        "Wattline fleet",
        "All devices and meters: who is there, what they draw, who needs a look. A click on a meter opens it.",
        (_now(settings), _energy(), _attention(settings), _everyone()),
        source(settings),
        devices(),
        meters(),
        silent_after(settings),
        since="now-24h",
        refresh="30s",
        marks=("changes", "swaps", "events"),
    )


def _silence(settings: GrafanaSettings) -> str:
    return (
        f"Meters in place that have given nothing for {settings.limits.meter_silent_min} minutes and for three times "
        "their own distance of readings, those behind other meters too"
    )


def _now(settings: GrafanaSettings) -> Part:
    kw, kwh = Field(unit="kwatt", decimals=1), Field(unit="kwatth", decimals=1)
    offline = Field("Offline", steps=((None, "green"), (1, "red")))
    attention = tuple(Field(name, steps=NONE_IS_GOOD) for name in ("Silent meters", "Unknown products", "Quarantined"))
    about_devices = "Online by their last will; registered since local midnight, again or for the first time."
    about_attention = (
        f"{_silence(settings)}; meters that no spec of their own reads; frames and payloads that went to quarantine in "
        "the range."
    )
    return "", (
        number(Frame("Devices", about_devices, 7, 4), "fleet_devices", Field(), offline),
        number(Frame("Power now", "Sum over meters heard in 15 minutes; import less export.", 4, 4, "No meter heard"),
               "fleet_power", kw),
        number(Frame("Energy today", _TODAY, 4, 4, "No register yet"), "fleet_energy", kwh),
        number(Frame("To look at", about_attention, 9, 4), "fleet_attention", Field(), *attention),
    )  # fmt: skip


def _energy() -> Part:
    about = "Sum over the chosen meters of their mean power; import less export. Means of 15 minutes, hours or days."
    history = lines(
        Frame("Power of the fleet", about, 16, 9),
        "fleet_power_history",
        Field(unit="kwatt", decimals=1),
        interval="15m",
    )
    history.build().max_data_points = 200
    about_days = "Import and export of the last 14 local days."
    days = Frame("Energy by day", about_days, 8, 9, "No register in these days", "14d")
    return "Energy", (history, bars(days, "fleet_days", Field(unit="kwatth", decimals=1), interval="1d", stacked=False))


def _attention(settings: GrafanaSettings) -> Part:
    gaps = Frame(
        "Worst gaps",
        "The twenty meters that miss most readings of the last 24 hours, against each meter's own cadence.",
        8,
        9,
        "No gap of a meter whose cadence is known",
    )
    top = Frame("Largest consumers today", "The ten largest. " + _TODAY, 8, 9, "No register yet")
    about_unknown = (
        "Meters that wait for a spec of their own, removed ones too, with the raw frames that are kept of them; those "
        "with most frames first, at most a hundred."
    )
    unknown = Frame("Unknown products", about_unknown, 8, 9, "Every meter has its spec")
    yes_no = Field("Open", texts=(("0", "over", "green"), ("1", "still open", "red")))
    last = Field("Last frame", unit="dateTimeFromNow")
    silence = (
        f"{_silence(settings)}; those silent longest first, at most a hundred. The rule Meter silent tells of those "
        "whose device is online."
    )
    silent = Frame("Silent meters", silence, 24, 7, "Every meter is heard")
    times = (
        Field("Last heard", "dateTimeAsIso", empty="never"),
        Field("Silent for", "s"),
        Field("Usually every", "s", empty="unknown"),
    )
    return "Who needs a look", (
        rows(silent, "fleet_silent", METER, DEVICE, *times, Field("Online", texts=ONLINE)),
        rows(gaps, "fleet_gaps", METER, DEVICE, Field("Missing", steps=((None, "orange"), (100, "red"))), yes_no),
        ranking(top, "fleet_top", Field(unit="kwatth", decimals=1)),
        rows(unknown, "fleet_unknown", DEVICE, METER, last),
    )


def _everyone() -> Part:
    about = (
        "All meters now in place, those behind others too. Registers of import and export are the total, or the sum of "
        "the tariffs where a meter has none. " + _TODAY
    )
    columns = (
        METER,
        DEVICE,
        Field("Power now", "kwatt", 3),
        Field("Energy today", "kwatth", 2),
        Field("Register", "kwatth", 1),
        Field("Export register", "kwatth", 1),
        Field("Last reading", "dateTimeFromNow"),
        Field("Device seen", "dateTimeFromNow"),
        Field("Online", texts=ONLINE),
    )
    quarantine = Frame(
        "Quarantine",
        "The newest hundred frames and payloads kept undecoded in the range.",
        24,
        8,
        "Nothing went to quarantine in this range",
    )
    return "All meters", (
        rows(Frame("Meters", about, 24, 12, "No meter has registered yet"), "fleet_meters", *columns),
        rows(quarantine, "quarantine_list", DEVICE, METER, Field("Received", "dateTimeAsIso"), Field("Bytes", "bytes")),
    )
