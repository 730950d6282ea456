"""The dashboard 'Wattline data quality': what was lost, late, refused or missing, and whose clocks to trust."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import BOARD, DEVICE, METER, ONLINE, OPEN_METER, Part, dashboard, devices, source
from grafana.boards.fleet import GAP_STATES, QUARANTINE
from grafana.fields import BAD, NONE_IS_GOOD, SERIES, Field
from grafana.panels import Frame, bars, lines, number, ranking, rows
from grafana.settings import GrafanaSettings

NOBODY_OVER = "nobody was over one in this range"


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    return dashboard(
        "data-quality",
        "Wattline data quality",
        "What was lost, repeated, late, quarantined or missing, and which clocks can be trusted, by device.",
        (_numbers(), _devices(), _causes(), _points()),
        source(settings),
        devices(),
        since="now-24h",
        refresh="1m",
        marks=("changes", "swaps", "events"),
    )


def _numbers() -> Part:
    about = (
        "By the sequence numbers of the ledger, summed up by five minutes: lost are numbers that others overtook in "
        "the range and that have not come since, healed came because the device sent them again, repeated came again, "
        "late came after a higher one. Waiting for receipt is now, as devices told it last: what the broker took, and "
        "the store has not confirmed for longer than a minute. Repeats and "
        "late ones are normal after an outage. No messages at all: nothing came, or nothing is summed up yet, which "
        "Wattline platform tells."
    )
    columns = (
        Field("Lost", steps=BAD),
        Field("Healed"),
        *(Field(name, steps=NONE_IS_GOOD) for name in ("Waiting for receipt", "Repeated", "Late", "Quarantined")),
    )
    clocks = (
        "Meters in place by the newest value of each of their registers; one whose values have different clocks counts "
        "at each. A device's clock that NTP does not keep may drift."
    )
    return "", (
        number(Frame("Messages", about, 16, 4), "quality_numbers", Field(), *columns),
        ranking(Frame("Clocks", clocks, 8, 4), "quality_clocks", Field()),
    )


def _devices() -> Part:
    about = (
        "All of the range, but for Online and Waiting for receipt, which are now, and the clocks, which are those of "
        "the newest values of its meters. No messages: none came in the range."
    )
    columns = (
        DEVICE,
        Field("Lost", steps=BAD),
        *(
            Field(name, steps=NONE_IS_GOOD)
            for name in (
                "Sent again",
                "Waiting for receipt",
                "Repeated",
                "Late",
                "Quarantined",
                "Missing readings",
                "Clock steps",
            )
        ),
        Field("Online", texts=ONLINE),
    )
    gaps = Frame(
        "Gaps",
        "The hundred that miss most in the range, by each meter's own cadence; from and until are of the whole gap.",
        24,
        9,
    )
    events = Frame("Warnings and errors", "What devices and services noted in the range.", 24, 7)
    times = (Field("From", "dateTimeAsIso"), Field("Until", "dateTimeAsIso"), Field("Every", "s"))
    state = Field("State", texts=GAP_STATES)
    quiet = Field(
        "Event", texts=(("nobody complained in this range", "nobody complained in this range", "green"),), width_px=300
    )
    return "By device", (
        rows(Frame("Devices", about, 24, 10), "quality_devices", *columns),
        rows(gaps, "quality_gaps", DEVICE, METER, *times, state, BOARD),
        rows(events, "quality_events", quiet, Field("Last", "dateTimeFromNow")),
    )


def _causes() -> Part:
    quarantine = Frame(
        "Quarantined by reason",
        "Frames and payloads kept undecoded in the range; docs/STORE.md says what each reason means.",
        12,
        8,
    )
    delay = Frame(
        "From reading to table",
        "Age of each message's newest reading when it was stored. It rises when an outage's backlog arrives.",
        12,
        8,
    )
    newest = Frame("Quarantine", "The newest hundred in the range.", 24, 8)
    quotas = Frame(
        "Quotas",
        "Devices of which more came than one may use (docs/OPERATE.md), by UTC day, and how much was not taken of it. "
        "A device with an outbox keeps that and sends it again. Without a device: outside the topics of any.",
        24,
        6,
    )
    over = (
        Field("Day", "dateTimeAsIso"),
        Field("Quota", texts=((NOBODY_OVER, NOBODY_OVER, "green"),), width_px=260),
        Field("Cut", steps=NONE_IS_GOOD),
        Field("Cut bytes", "bytes", decimals=1),
        Field("Last", "dateTimeFromNow"),
    )
    return "Causes", (
        bars(quarantine, "quality_quarantine", Field(decimals=0)),
        lines(
            delay, "quality_delay", Field(unit="s", decimals=1), Field("Mean", color=SERIES[0]),
            Field("Longest", color=SERIES[1]), interval="5m"
        ),
        rows(quotas, "quality_quotas", DEVICE, *over),
        rows(newest, "quarantine_list", DEVICE, METER, *QUARANTINE),
    )  # fmt: skip


def _points() -> Part:
    swaps = Frame(
        "Swapped meters",
        "Each meter that followed another at its point in the range, the newest hundred, with the registers that the "
        "one closed and the other opened with. Missing registers are looked for until late readings have come.",
        24,
        8,
    )
    claims = Frame(
        "Claimed meters",
        "Devices that register a meter which stands at another one's port, now. It goes over by itself once nothing of "
        "it comes from there (waiting), after a day where it was read there since (disputed), or by "
        "`wattline meter move`; many by one device, or one that nobody carried: look at that device.",
        24,
        6,
    )
    points = Frame("Points of delivery", "Where meters stand; those without a meter first.", 24, 9)
    title, address = OPEN_METER
    new_meter = Field("New meter", link=(title, address.replace("fields.Meter", 'fields["New meter"]')), width_px=150)
    narrow = (Field("Point", width_px=190), Field("Old meter", width_px=150))
    return "Points of delivery", (
        rows(swaps, "quality_swaps", DEVICE, *narrow, new_meter, Field("Swapped", "dateTimeAsIso"), BOARD),
        rows(
            claims,
            "quality_claims",
            METER,
            Field("Stands at", width_px=150),
            Field("Claimed by", width_px=150),
            Field("Claimed", "dateTimeAsIso"),
            Field("Shown last", "dateTimeAsIso"),
            BOARD,
        ),
        rows(points, "quality_points", DEVICE, METER, Field("Since", "dateTimeAsIso"), BOARD),
    )
