"""`broker.json`: what a person sets on the device goes before what was told, and a told CA outlasts its file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.contract.address import known_authority_or_none
from broker.contract.messages import Parameters
from broker.runtime.settings import BrokerAddress
from device.enrolment.certificate_file import FILE, HOME_FILE
from device.moving.addresses import Addresses, AddressTrial
from device.moving.target import HOME, Target, authority_file
from gateway.enrolment.authority import make_root
from gateway.enrolment.ca_folder import pem

OWN = BrokerAddress(host="home.example", port=8883)
TOLD = Parameters(broker_address="told.example:8883")


def loaded(folder: Path, own: BrokerAddress, parameters: Parameters = TOLD) -> Addresses:
    found = Addresses(folder, own)
    found.load(parameters)
    return found


def test_a_person_overrules_what_was_told_until_another_one_is_told(tmp_path: Path) -> None:
    """By its content, over restarts; also where it is told anew after nothing was."""
    Addresses(tmp_path, OWN).save(good=Target(address="told.example:8883"), before=HOME)
    new = OWN.model_copy(update={"host": "new.example"})
    for _ in range(2):
        addresses = loaded(tmp_path, new)
        assert addresses.state.good == HOME
        assert addresses.wish(TOLD) is None
    other = Parameters(broker_address="other.example:8883")
    assert addresses.wish(other) == Target(address="other.example:8883")
    assert loaded(tmp_path, new).wish(TOLD) == Target(address="told.example:8883"), "told again"


def test_where_the_device_is_says_which_certificate_it_shows(tmp_path: Path) -> None:
    """On the way back, also on trial, the one that home believes; at a told place with an enrolment its own."""
    shown = tmp_path / "enrolment" / FILE
    shown.parent.mkdir()
    shown.write_text("told's")
    shown.with_name(HOME_FILE).write_text("home's")
    told = Target(address="told.example:8883", enrol_url="https://told.example")
    addresses = loaded(tmp_path, OWN.model_copy(update={"tls_ca": tmp_path, "tls_certificate": shown}))
    for good, trial, held in (
        (told, None, "told's"),
        (told, HOME, "home's"),
        (told, None, "told's"),
        (HOME, None, "home's"),
    ):
        addresses.save(good=good, trial=trial and AddressTrial(target=trial, returning=True))
        addresses.settle()
        assert shown.read_text() == held
    other = Target(address="other.example:8883", enrol_url="https://other.example")
    addresses.save(good=told, trial=AddressTrial(target=other))
    addresses.settle()
    assert shown.read_text() == "home's", "what another place gave is none of this one's"
    addresses.settle(arrived=True)
    addresses.save(good=other, trial=None)
    addresses.settle()
    assert shown.read_text() == "home's"


@pytest.mark.parametrize("text", [None, "half a"])
def test_a_told_authority_outlasts_its_file(tmp_path: Path, text: str | None) -> None:
    """It is written again from the text, and kept while a connection may still be made by it."""
    root = make_root("Told", datetime.now(UTC))
    target = Target(address="told.example:8883", authority=known_authority_or_none(pem(root.certificate).decode()))
    addresses, file = loaded(tmp_path, OWN), authority_file(target, tmp_path)
    addresses.save(trial=AddressTrial(target=target))
    whole = addresses.reach(target)
    right = file.read_bytes()
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert loaded(tmp_path, OWN).address().host == whole.host
    assert file.read_bytes() == right
    addresses.save(trial=None)
    assert file.exists()
    addresses.clear()
    assert not file.exists()
