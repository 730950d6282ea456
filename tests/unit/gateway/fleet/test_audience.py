"""Who is given a spec version first."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.faults import Refusal
from gateway.fleet.audience import Audience, parse_audience

DEVICES = [f"pi-{number}" for number in range(2000)]


def holds(text: str, device: str = "pi-1", **labels: str) -> bool:
    return parse_audience(text).holds({**labels, "device": device}, "acme-one@2")


def test_the_three_forms() -> None:
    """Devices by name, labels, a share; each is written back so that it reads as the same."""
    assert holds("pi-2, pi-1")
    assert not holds("pi-2,pi-3")
    assert holds("site=warsaw", site="warsaw")
    assert not holds("site=warsaw")
    assert holds("tested=*", tested="2026")
    assert holds("100%")
    assert str(parse_audience("pi-2, pi-1,pi-1")) == "pi-1,pi-2"
    assert str(parse_audience(" 12.50 % ")) == "12.5%"
    assert str(parse_audience("model = pi4,site!=x")) == "model=pi4,site!=x"


@given(st.decimals("0.01", "99", places=2), st.decimals("0.01", "100", places=2))
def test_a_higher_share_only_adds_devices(low: Decimal, high: Decimal) -> None:
    """Who has the version keeps it when the share is raised."""
    few, more = (
        {device for device in DEVICES[:300] if Audience(percent=percent).holds({"device": device}, "a@1")}
        for percent in sorted((low, high))
    )
    assert few <= more


def test_a_share_is_about_what_it_says_and_another_spec_begins_with_others() -> None:
    """Ten percent of two thousand devices, and not always the same ones."""
    chosen = [{one for one in DEVICES if parse_audience("10%").holds({"device": one}, spec)} for spec in ("a@1", "b@1")]
    assert all(140 <= len(one) <= 260 for one in chosen)
    assert len(chosen[0] & chosen[1]) < 60
    assert "pi-10" in chosen[0], "a share must choose the same devices for ever"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "audience"),
        ("0%", "audience"),
        ("101%", "audience"),
        ("ten%", "audience"),
        ("-5%", "audience"),
        ("pi-1,pi 2", "audience.1"),
        ("pi-1,,pi-2", "audience.1"),
        ("site=warsaw,x y=1", "audience.1"),
        (",".join(f"pi-{number}" for number in range(1001)), "audience"),
    ],
)
def test_nobody_is_refused_by_the_part(text: str, field: str) -> None:
    """An audience that names nobody or can't be read says where and what to write."""
    with pytest.raises(Refusal) as refused:
        parse_audience(text)
    assert refused.value.field == field
    assert refused.value.fix


@given(st.text(max_size=40))
def test_any_text_is_an_audience_or_an_error(text: str) -> None:
    """What is read is written so that it reads as the same again."""
    try:
        audience = parse_audience(text)
    except Refusal as error:
        audience, fault = None, error.field
    assert parse_audience(str(audience)) == audience if audience else fault.startswith("audience")
