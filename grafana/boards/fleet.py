"""The dashboard 'Wattline fleet': is everybody there, what do they draw, and who needs a look."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import BOARD, DEVICE, METER, ONLINE, Part, dashboard, devices, meters, silent_after, source
from grafana.fields import BAD, KW, KWH, NONE_IS_GOOD, SERIES, Field
from grafana.panels import Frame, bars, lines, number, ranking, rows
from grafana.settings import GrafanaSettings

_TODAY = (
    "Import since local midnight by the meters' registers, right through rollover, reset and swap. "
    "A meter whose registers can't be trusted for the day is left out and not guessed."
)
DIRECTIONS = (Field("import", color=SERIES[0]), Field("export", color=SERIES[1], below=True))
"""Import stands on the zero line and export hangs below it."""
GAP_STATES = (
    ("still open", "still open", "red"),
    ("over", "over", "green"),
    ("no gap", "no gap", "green"),
    ("no reading yet", "no reading yet", "blue"),
)
QUARANTINE = (
    Field("Received", "dateTimeAsIso"),
    Field("Bytes", "bytes"),
    Field("Reason", texts=(("nothing in this range", "nothing in this range", "green"),)),
    BOARD,
)
ATTENTION = ("Silent meters", "Unknown products", "Wait for a key", "Quarantined")
_KEYS = (
    ("no meter waits", "no meter waits", "green"),
    *((state, state, "orange") for state in ("key missing", "key wrong", "secret missing", "access refused")),
)
_WAITING = (("no device waits", "no device waits", "green"),)
_SOURCES = (
    ("good", "good", "green"),
    ("off", "off", "blue"),
    *((state, state, "orange") for state in ("no mapping yet", "some unmapped", "behind")),
)
_SILENT = (
    ("silent", "silent", "orange"),
    ("never heard", "never heard", "orange"),
    ("every meter is heard", "every meter is heard", "green"),
    ("no meter yet", "no meter yet", "blue"),
)
_METERS = (
    ("none yet", "none yet", "blue"),
    ("some silent", "some silent", "orange"),
    ("all heard", "all heard", "green"),
)
_READINGS = (("coming", "coming", "green"), ("silent", "silent", "orange"), ("never", "none yet", "blue"))


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
    attention = tuple(Field(name, steps=NONE_IS_GOOD) for name in ATTENTION)
    about_devices = "Online by their last will; registered since local midnight, again or for the first time."
    about_attention = (
        f"{_silence(settings)}; meters that no spec of their own reads; those that want a key or a password; frames "
        "and payloads that went to quarantine in the range."
    )
    return "", (
        number(Frame("Devices", about_devices, 6, 4), "fleet_devices", Field(), Field("Offline", steps=BAD)),
        number(Frame("Power now", "Sum over meters heard in 15 minutes; import less export.", 4, 4),
               "fleet_power", Field(unit=KW, decimals=1)),
        number(Frame("Energy today", _TODAY, 4, 4), "fleet_energy", Field(unit=KWH, decimals=1)),
        number(Frame("To look at", about_attention, 10, 4), "fleet_attention", Field(), Field("Meters", texts=_METERS),
               *attention, words=True),
    )  # fmt: skip


def _energy() -> Part:
    about = "Sum over the chosen meters of their mean power; import less export. Means of 15 minutes, hours or days."
    history = lines(
        Frame("Power of the fleet", about, 16, 9), "fleet_power_history", Field(unit=KW, decimals=1), interval="15m"
    )
    history.build().max_data_points = 200
    days = Frame("Energy by day", "Import, and export below the line, of the last 14 local days.", 8, 9, "14d")
    kwh = Field(unit=KWH, decimals=1)
    return "Energy", (history, bars(days, "fleet_days", kwh, *DIRECTIONS, interval="1d"))


def _attention(settings: GrafanaSettings) -> Part:
    gaps = Frame(
        "Worst gaps",
        "The twenty meters that miss most readings of the last 24 hours, against each meter's own cadence.",
        12,
        9,
    )
    top = Frame("Largest consumers today", "The ten largest. " + _TODAY, 12, 9)
    about_unknown = (
        "Meters that wait for a spec of their own, removed ones too, with the raw frames that are kept of them; those "
        "with most frames first, at most a hundred."
    )
    unknown = Frame("Unknown products", about_unknown, 24, 7)
    silence = (
        f"{_silence(settings)}; those silent longest first, at most a hundred. The rule Meter silent tells of those "
        "whose device is online."
    )
    silent = Frame("Silent meters", silence, 24, 7)
    times = (
        Field("Last heard", "dateTimeAsIso"),
        Field("Silent for", "dtdhms"),
        Field("Usually every", "s"),
    )
    about_keys = (
        "Meters whose telegrams are ciphered and whose device has no key for them, or a wrong one, and those that are "
        "asked and refuse the password or key, or for which there is none. `wattline meter key set`, or the console's "
        "page of the meter."
    )
    keys = Frame("Meters that wait for a key or password", about_keys, 24, 6)
    about_waiting = "`wattline enrol approve` or `refuse`, or the console's page Enrolment; the longest first."
    waiting = Frame("Devices that wait for approval", about_waiting, 24, 6)
    about_sources = (
        "Third parties whose payloads become readings. `wattline source payloads NAME --state unmapped` shows what no "
        "mapping made anything of; behind is what waits for longer than five minutes."
    )
    sources = Frame("Sources of third parties", about_sources, 24, 6)
    says = Field("Says it is", texts=(("every meter has its spec", "every meter has its spec", "green"),))
    missing = Field("Missing", steps=((None, "orange"), (100, "red")))
    return "Who needs a look", (
        rows(silent, "fleet_silent", Field("State", texts=_SILENT, width_px=175), METER, DEVICE, *times,
             Field("Online", texts=ONLINE), BOARD),
        rows(gaps, "fleet_gaps", METER, DEVICE, missing, Field("Gaps"), Field("State", texts=GAP_STATES),
             BOARD),
        ranking(top, "fleet_top", Field(unit=KWH, decimals=1)),
        rows(unknown, "fleet_unknown", DEVICE, METER, says, Field("Last frame", "dateTimeFromNow"), BOARD),
        rows(keys, "fleet_keys", Field("State", texts=_KEYS, width_px=150), METER, DEVICE,
             Field("Told last", "dateTimeFromNow"), BOARD),
        rows(waiting, "fleet_waiting", Field("Name", texts=_WAITING), Field("First asked", "dateTimeAsIso"),
             Field("Asked last", "dateTimeFromNow")),
        rows(sources, "fleet_sources", Field("Name", texts=(("no sources", "no sources", "green"),)),
             Field("Stands", texts=_SOURCES, width_px=150), Field("Heard", "dateTimeFromNow"),
             Field("Waiting since", "dateTimeFromNow")),
    )  # fmt: skip


def _everyone() -> Part:
    about = (
        "All meters now in place, those behind others too. Registers of import and export are the total, or the sum of "
        "the tariffs where a meter has none; power is that of the last 15 minutes. " + _TODAY
    )
    columns = (
        METER,
        DEVICE,
        Field("Power now", KW, 3, width_px=110),
        Field("Energy today", KWH, 2, width_px=130),
        Field("Register", KWH, 3, width_px=135),
        Field("Export register", KWH, 3, width_px=140),
        Field("Last reading", "dateTimeFromNow"),
        Field("Readings", texts=_READINGS, width_px=95),
        Field("Device seen", "dateTimeFromNow"),
        Field("Online", texts=ONLINE, width_px=85),
        BOARD,
    )
    quarantine = Frame("Quarantine", "The newest hundred frames and payloads kept undecoded in the range.", 24, 8)
    return "All meters", (
        rows(Frame("Meters", about, 24, 12), "fleet_meters", *columns),
        rows(quarantine, "quarantine_list", DEVICE, METER, *QUARANTINE),
    )
