"""Messages into batches, without a broker or a database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from broker.contract.topics import Kind, Topics
from broker.errors import ContractError, PermanentError
from broker.mqtt.session import Inbound
from ingestor.__main__ import main
from ingestor.batches.assembler import MOST_DAYS, Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.points import point
from ingestor.batches.rows import READING_BYTES, micros
from ingestor.failures import Remedy, remedy_for
from ingestor.metrics import Metrics
from ingestor.service import subscriptions
from ingestor.settings import IngestorSettings
from store.errors import is_transient

NOW_US = micros(datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC))
TOPICS = Topics("test/v1")


@pytest.fixture
def names() -> Names:
    """Memory that knows one device with one meter of one series."""
    known = Names(Limits())
    known.devices["pi-1"] = 1
    known.meters["TST:1"] = Meter(7, points={("1-0:1.8.0", "kWh"): 70}, series={"1-0:1.8.0": 70})
    return known


@pytest.fixture
def assembler(names: Names) -> Assembler:
    """An assembler with default settings."""
    return Assembler(IngestorSettings(database_dsn="postgresql://x"), TOPICS, names, Metrics())  # type: ignore[arg-type]


def received(payload: bytes, kind: Kind = Kind.READINGS, *, device: str = "pi-1", mid: int = 1) -> Received:
    """A delivery as the session hands it over."""
    inbound = Inbound(TOPICS.of(kind, device), payload, False, 1, mid, None, None, None)  # type: ignore[arg-type]
    return Received(inbound, NOW_US, doubtful=True)


def readings(*times: str, code: str = "1-0:1.8.0", value: float = 1.5, **changes: Any) -> bytes:
    """A readings message with a value at each time."""
    samples = [{"at": at, "values": {code: value}} for at in times or ("2026-11-23T10:00:00Z",)]
    document = {"boot": "b3f1", "seq": 1, "meter": "TST:1", "spec": "t@1", "clock": "synced", "samples": samples}
    return json.dumps(document | changes).encode()


def test_known_names_are_packed_at_once(assembler: Assembler) -> None:
    """A message whose names are in memory needs no database before its batch is written."""
    batch = assembler.rebuild([received(readings()), received(readings("2026-11-23T10:00:01Z", seq=2))])
    assert (batch.rows, batch.ledger_rows, batch.waiting) == (2, 2, [])
    assert not assembler.wanted(batch)


def test_the_same_instant_again_is_taken_for_a_repeat(assembler: Assembler) -> None:
    """A second sample of the meter's newest instant goes where a conflict does no harm; later ones do not."""
    times = ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z", "2026-11-23T09:00:00Z")
    batch = assembler.rebuild([received(readings(*times))])
    assert (len(batch.fresh), len(batch.repeats)) == (3 * READING_BYTES, READING_BYTES)


@pytest.mark.parametrize("changes", [{"meter": "TST:2"}, {"code": "1-0:2.8.0"}])
def test_unknown_names_wait_and_are_wanted(assembler: Assembler, names: Names, changes: dict[str, Any]) -> None:
    """A new meter or code makes the message wait; without it in the end it is beyond a limit, and quarantined."""
    batch = assembler.rebuild([received(readings(**changes))])
    assert len(batch.waiting) == 1
    wanted = assembler.wanted(batch)
    assert {meter for meter, _ in wanted.points} == {changes.get("meter", "TST:1")}
    assert bool(wanted.meters) is ("meter" in changes)
    assembler.complete(batch)
    [stored] = batch.stored.values()
    assert stored.reason == ("meter_limit" if "meter" in changes else "series_limit")
    assert (batch.rows, batch.ledger_rows) == (0, 1)


def test_an_implausible_value_is_refused_alone(assembler: Assembler, names: Names) -> None:
    """Its code, value and bounds are named; the message's other values are stored, the quick way or the other."""
    names.meters["TST:1"].points["1-0:2.8.0", "kWh"] = 71
    samples = [
        {"at": "2026-11-23T10:00:00Z", "values": {"1-0:1.8.0": 1.7e308, "1-0:2.8.0": 5.0}},
        {"at": "2026-11-23T10:00:01Z", "values": {"1-0:1.8.0": 3e9}},
    ]
    for _ in range(2):
        batch = assembler.rebuild([received(readings(samples=samples))])
        assert (batch.rows, batch.ledger_rows) == (2, 1)
        [stored] = batch.stored.values()
        assert (stored.reason, stored.detail) == (
            "implausible_value",
            "samples.0.values.1-0:1.8.0: 1.7e+308 is outside [-1e+11, 1e+11]",
        )
        assert json.loads(stored.data)["samples"] == [{"at": "2026-11-23T10:00:00Z", "values": {"1-0:1.8.0": 1.7e308}}]
    alone = assembler.rebuild([received(readings(value=-2e11))])
    assert (alone.rows, alone.ledger_rows) == (0, 1)


@pytest.mark.parametrize("meter", ["TST:1", "TST:unknown"])
def test_what_spreads_over_many_days_of_long_ago_is_set_aside(assembler: Assembler, meter: str) -> None:
    """A batch of many days is parted by message, known names or not; one of few days stays as it is."""
    days = [(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat() for number in range(MOST_DAYS)]
    live = [received(readings(meter=meter, seq=1)), received(b"no JSON")]
    few = assembler.rebuild([*live, received(readings(*days[1:], meter=meter, seq=2))])
    assert assembler.parted(few) == (few, None)
    far = [received(readings(*days, meter=meter, seq=2)), received(readings(days[0], meter=meter, seq=3))]
    near, history = assembler.parted(assembler.rebuild([far[0], *live, far[1]]))
    assert history is not None
    assert (near.received, history.received) == (live, far)
    assert [seq for _, _, seq in history.confirmed] == [2, 3]


def test_limits_of_plausible_time(assembler: Assembler) -> None:
    """The bounds themselves are plausible, a microsecond beyond is not."""
    good = assembler.rebuild([received(readings("2000-01-01T00:00:00Z", "2026-11-24T10:00:05Z"))])
    assert (good.rows, good.stored) == (2, {})
    bad = assembler.rebuild([received(readings("1999-12-31T23:59:59.999999Z", "2026-11-24T10:00:05.000001Z"))])
    assert bad.rows == 0
    [stored] = bad.stored.values()
    assert stored.reason == "implausible_time"
    assert "samples.0.at" in str(stored.detail)
    assert "samples.1.at" in str(stored.detail)


def test_the_last_status_of_a_batch_counts(assembler: Assembler) -> None:
    """Several states of a device in one batch leave the last; an empty one, which clears it, is of no concern."""
    state = {"online": True, "boot": "b3f1", "software": "x", "since": "2026-11-23T10:00:00Z"}
    payloads = [json.dumps(state | {"online": online}).encode() for online in (True, False)]
    batch = assembler.rebuild([received(payload, Kind.STATUS) for payload in [*payloads, b""]])
    assert batch.statuses["pi-1"][1].online is False
    assert not batch.stored


def test_one_poison_delivered_twice_is_one_row(assembler: Assembler) -> None:
    """The same packet identifier and bytes are one delivery, another identifier is another message."""
    batch = assembler.rebuild([received(b"{", mid=5), received(b"{", mid=5), received(b"{", mid=6)])
    assert len(batch.received) == 3
    assert len(batch.stored) == 2


def test_failing_code_does_not_stop_the_stream(assembler: Assembler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message on which our own code fails is quarantined like any other that can't be taken."""
    monkeypatch.setattr(assembler, "_telemetry", None)
    batch = Batch()
    assembler.add(batch, received(readings()))
    [stored] = batch.stored.values()
    assert stored.reason == "internal_error"


def test_units_that_contradict_the_catalogue_are_refused() -> None:
    """A unit is taken where the catalogue leaves it open, and refused where it says another."""
    assert point("0-1:24.2.1", "m³").unit == "m³"
    assert point("1-0:1.8.0*255", None).obis == "1-0:1.8.0"
    with pytest.raises(ContractError, match="kWh"):
        point("1-0:1.8.0", "Wh")
    with pytest.raises(ContractError):
        point("0-1:24.2.1", "m\0")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (asyncpg.UniqueViolationError("x"), Remedy.STAGE),
        (asyncpg.OutOfMemoryError("x"), Remedy.PIECES),
        (asyncpg.CheckViolationError("x"), Remedy.SPLIT),
        (asyncpg.UntranslatableCharacterError("x"), Remedy.SPLIT),
        (asyncpg.DeadlockDetectedError("x"), Remedy.RETRY),
        (asyncpg.LockNotAvailableError("x"), Remedy.RETRY),
        (asyncpg.DiskFullError("x"), Remedy.RETRY),
        (asyncpg.QueryCanceledError("x"), Remedy.RETRY),
        (asyncpg.InterfaceError("x"), Remedy.RETRY),
        (TimeoutError(), Remedy.RETRY),
        (OverflowError(), Remedy.SPLIT),
    ],
)
def test_remedies(error: Exception, remedy: Remedy) -> None:
    """Data to blame are looked for, outages waited out; what is unknown is retried rather than quarantined."""
    assert remedy_for(error) is remedy


def test_a_lock_not_had_in_time_is_an_outage_that_passes() -> None:
    """Whoever is refused a lock in time tries again, the gateway too."""
    assert is_transient(asyncpg.LockNotAvailableError("x"))
    assert not is_transient(asyncpg.ObjectInUseError("x"))


def test_errors_for_a_person_end_the_work() -> None:
    """A missing table or right is nothing to retry."""
    with pytest.raises(PermanentError, match="wattline migrate"):
        remedy_for(asyncpg.UndefinedTableError("x"))


def test_subscriptions() -> None:
    """Alone one filter takes all; in a group the status comes to each member as well."""
    assert subscriptions(TOPICS, None)[0] == ("test/v1/#", 1)
    group = dict(subscriptions(TOPICS, "g"))
    assert group["$share/g/test/v1/#"] == group["test/v1/devices/+/status"] == 1


def test_help_lists_every_setting() -> None:
    """`--help` names each environment variable."""
    text = CliRunner().invoke(main, ["--help"]).output
    for name in IngestorSettings.model_fields:
        assert f"WATTLINE_INGESTOR_{name.upper()}" in text
