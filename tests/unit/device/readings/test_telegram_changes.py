"""Telegrams that change for good are told from what comes and goes."""

from decimal import Decimal

from device.readings.telegram_changes import STEADY_AFTER, TelegramChange, TelegramMonitor
from meters.telegram import Record, Telegram, Wire


def telegram(*addresses: str, unit: str = "Wh", scaler: int | None = -1) -> Telegram:
    return Telegram(Wire.SML, tuple(Record(one, Decimal(1), unit, scaler=scaler) for one in addresses))


def play(watch: TelegramMonitor, one: Telegram, times: int = STEADY_AFTER) -> list[TelegramChange]:
    return [change for _ in range(times) if (change := watch.add(one)) is not None]


def test_a_register_more_and_one_less_are_told_once() -> None:
    """After ten telegrams in a row, with what came and what went; then it is the telegram."""
    watch = TelegramMonitor()
    assert play(watch, telegram("1.8.0", "2.8.0"), 30) == []
    assert play(watch, telegram("1.8.0", "3.8.0"), 9) == []
    assert play(watch, telegram("1.8.0", "3.8.0"), 50) == [TelegramChange(("3.8.0",), ("2.8.0",), ())]
    assert play(watch, telegram("1.8.0", "2.8.0"), 50) == [TelegramChange(("2.8.0",), ("3.8.0",), ())]


def test_lines_that_come_and_go_are_no_change() -> None:
    """What was missing in one of the first telegrams is optional; what comes must stay."""
    watch = TelegramMonitor()
    for n in range(100):
        assert watch.add(telegram("1.8.0", "2.8.0") if n % 3 else telegram("1.8.0")) is None
    for n in range(100):
        assert watch.add(telegram("1.8.0", "9.9.9") if n % 9 else telegram("1.8.0")) is None


def test_another_scaler_or_unit_is_a_change() -> None:
    """Of an address that always had the same; one whose meter scales as it goes is let be."""
    watch = TelegramMonitor()
    play(watch, telegram("1.8.0"))
    assert play(watch, telegram("1.8.0", scaler=0), 20) == [TelegramChange((), (), ("1.8.0: Wh e-1 to Wh",))]
    assert play(watch, telegram("1.8.0", scaler=0, unit="kWh"), 20) == [TelegramChange((), (), ("1.8.0: Wh to kWh",))]
    lively = TelegramMonitor()
    for n in range(100):
        assert lively.add(telegram("16.7.0", scaler=-(n % 3))) is None


def test_an_identification_without_records_says_nothing() -> None:
    """An empty telegram is no telegram that lost its registers."""
    watch = TelegramMonitor()
    play(watch, telegram("1.8.0"))
    assert play(watch, telegram(), 50) == []
