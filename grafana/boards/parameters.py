"""The dashboard 'Wattline parameters': what devices should hold, what they hold, and who changed it."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import DEVICE, ONLINE, dashboard, devices, source
from grafana.fields import BAD, NONE_IS_GOOD, Field
from grafana.panels import Frame, Made, bars, number, ranking, rows
from grafana.settings import GrafanaSettings

_STATES = (
    ("confirmed", "in step", "green"),
    ("waiting", "behind", "orange"),
    ("on_probation", "on probation", "blue"),
    ("never_confirmed", "never confirmed", "orange"),
    ("refused", "refused", "red"),
    ("reverted", "reverted", "red"),
    ("none", "none yet", "blue"),
    ("no device yet", "no device yet", "blue"),
)
_ALL_WELL = tuple(
    (words, words, "green") for words in ("every device holds what it should", "nothing is refused or reverted")
)

_STAGES = (
    ("running", "running", "blue"),
    ("paused", "paused", "orange"),
    ("done", "done", "green"),
    ("rolled_back", "rolled back", "red"),
    ("aborted", "aborted", "orange"),
)
_SOFTWARE = (
    ("confirmed", "confirmed", "green"),
    ("trial", "on trial", "blue"),
    ("fetching", "fetching", "blue"),
    ("waiting", "waits", "orange"),
    ("unreported", "not reported yet", "orange"),
    ("never_reported", "no updater", "orange"),
    ("rolled_back", "rolled back", "red"),
    ("refused", "refused", "red"),
)
_ROLLOUTS = (
    ("canary", "for a part", "blue"),
    ("released", "for all", "green"),
    ("withdrawn", "withdrawn", "red"),
)
_COMMANDS = (
    ("sent", "waits", "blue"),
    ("replied", "done", "green"),
    ("failed", "failed", "red"),
    ("refused", "refused", "red"),
    ("expired", "no answer", "orange"),
)


VERSIONS = {"Wanted": 90, "Held": 75}
_STAGE_PX = {"Scope": 130, "Step": 75, "Share": 80, "Devices": 90, "Healthy": 90, "Pending": 90, "Unreachable": 120,
             "Author": 85}  # fmt: skip
_ROLLOUT_PX = {"Spec": 140, "For": 70, "Verdict": 100, "Meters": 85, "Devices": 90, "Telegrams": 110, "Author": 85}
_SHARES_PX = {"Undecodable": 125, "Before": 85, "Others": 85, "Implausible": 115, "Silent": 80}


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    return dashboard(
        "parameters",
        "Wattline parameters",
        "Desired against reported parameters, refusals, changes step by step, releases, commands, and who did it.",
        (
            ("", _now()),
            ("Differences", _differences()),
            ("Step by step", _staged()),
            ("Software", _software()),
            ("Changes", _changes()),
            ("Commands", _commands()),
        ),
        source(settings),
        devices(),
        since="now-7d",
        refresh="1m",
        marks=("swaps",),
    )


def _now() -> tuple[Made, ...]:
    about = (
        "Devices by their newest report. Behind is normal for seconds after a change, or while a device is offline; a "
        "device that reverted took the version and went back to the one before. On probation: in force, not yet proved "
        "by readings; never confirmed: no meter speaks that could prove it."
    )
    columns = (
        Field("In step"),
        Field("Behind", steps=NONE_IS_GOOD),
        Field("On probation"),
        Field("Never confirmed", steps=NONE_IS_GOOD),
        *(Field(name, steps=BAD) for name in ("Refused", "Reverted")),
        Field("Without any"),
    )
    table = (
        DEVICE,
        Field("State", texts=_STATES),
        Field("Reported at", "dateTimeFromNow"),
        Field("Online", texts=ONLINE),
    )
    return (
        number(Frame("Devices", about, 16, 4), "parameter_numbers", Field(), *columns),
        ranking(
            Frame("Software", "Devices by the version of their agent.", 8, 4),
            "software_spread",
            Field(),
        ),
        rows(Frame("Desired and reported versions", about, 24, 9), "parameter_devices", *table),
    )


def _differences() -> tuple[Made, ...]:
    differ = Frame(
        "Desired against reported",
        "Parameters whose value on the device is not the one desired, the first five hundred; one that has never "
        "reported shows no value. Wanted and held are versions of the whole configuration.",
        24,
        7,
    )
    refused = Frame(
        "Refused and reverted",
        "Why devices refused the version that they last saw, or went back from it: the field and what is wrong with "
        "it. The newest two hundred.",
        24,
        7,
    )
    return (
        rows(
            differ,
            "parameter_differences",
            DEVICE,
            Field("Parameter", texts=_ALL_WELL, width_px=190),
            *_widths(VERSIONS),
        ),
        rows(
            refused,
            "parameter_refusals",
            DEVICE,
            Field("Version", width_px=85),
            Field("State", texts=_STATES, width_px=85),
            Field("At", "dateTimeAsIso"),
            Field("Reason", texts=_ALL_WELL),
        ),
    )


def _changes() -> tuple[Made, ...]:
    about = (
        "Every version that was published to a device in the range, the newest two hundred, with its author and what "
        "it changed."
    )
    held = "How many devices hold each value, as they last reported it; the first two hundred values by parameter."
    spread = Frame("Values in the fleet", held, 8, 10)
    return (
        bars(
            Frame("Versions published", "By author, in the range.", 24, 6),
            "parameter_rate",
            Field(decimals=0),
        ),
        rows(
            Frame("History", about, 16, 10),
            "parameter_history",
            DEVICE,
            Field("Published", "dateTimeAsIso"),
            *_widths({"Version": 85, "Author": 90}),
        ),
        rows(spread, "parameter_spread"),
    )


def _staged() -> tuple[Made, ...]:
    stages = Frame(
        "Staged changes of parameters",
        "Changes that go to a share of their scope first: those still open, and those that ended in the range.",
        24,
        7,
    )
    canaries = Frame(
        "Specs for a part of the fleet",
        "How a new version of a spec fares against the version before and the other meters; withdrawn by itself "
        "where it reads worse. Those still open, and those that ended in the range.",
        24,
        7,
    )
    changed = Field("Changed", "dateTimeFromNow")
    shares = (Field(name, "percent", 1, width_px=width) for name, width in _SHARES_PX.items())
    return (
        rows(
            stages,
            "parameter_stages",
            Field("State", texts=_STAGES),
            Field("Failed", steps=BAD),
            *_widths(_STAGE_PX),
            changed,
        ),
        rows(canaries, "parameter_rollouts", Field("State", texts=_ROLLOUTS), *shares, *_widths(_ROLLOUT_PX), changed),
    )


def _software() -> tuple[Made, ...]:
    releases = Frame(
        "Releases",
        "How many devices run which release, are to run which, and how that stands by what their updaters say. What "
        "runs is the updater's word, else the agent's.",
        10,
        8,
    )
    updates = Frame(
        "Devices that are behind",
        "Devices that have not confirmed the release that they are to run, the first five hundred: those that went "
        "back from it or refused it with the reason, those on trial, and those whose updater has not spoken.",
        14,
        8,
    )
    state = Field("State", texts=_SOFTWARE)
    return (
        rows(releases, "parameter_releases", state, *_widths({"Devices": 90})),
        rows(updates, "parameter_updates", DEVICE, state, Field("Since", "dateTimeFromNow"), *_widths({"Author": 85})),
    )


def _commands() -> tuple[Made, ...]:
    about = "What was sent to devices in the range, by whom, and what came of it. The newest two hundred."
    commands = Frame("Commands to devices", about, 24, 8)
    columns = (DEVICE, Field("Sent", "dateTimeAsIso"), Field("State", texts=_COMMANDS), Field("Answer after", "s", 1))
    return (rows(commands, "parameter_commands", *columns),)


def _widths(columns: dict[str, int]) -> tuple[Field, ...]:
    """Columns of few letters, so that those of many have the rest."""
    return tuple(Field(name, width_px=width) for name, width in columns.items())
