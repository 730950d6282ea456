"""What the gateway refuses, and what becomes of it in a message by hand."""

import asyncpg
import pytest

from broker.errors import ContractError, PermanentError, WattlineError
from gateway.bus.inbox import wrong_with
from gateway.faults import Fault, Kind, Refusal, contract_error, invalid, invalid_fields, refusal_of, unknown


def test_a_refusal_names_field_reason_and_fix_in_a_sentence() -> None:
    """The sentence is about the first field; a fault without a fix ends with its reason."""
    refusal = invalid_fields([Fault("name", "it is empty"), Fault("priority", "it is below 0", "0 or more")])
    assert (refusal.kind, refusal.detail) == (Kind.INVALID, "name: it is empty")
    assert invalid("to", "no such version", "0 to 7").detail == "to: no such version; 0 to 7"


def test_what_is_not_there_is_named_in_part_and_a_list_of_what_is() -> None:
    """A name of any length is cut."""
    refusal = unknown("device", "x" * 300)
    assert refusal.kind is Kind.UNKNOWN
    assert refusal.detail == f"there is no device {'x' * 100!r}"
    assert refusal.faults == (Fault("device", f"no device {'x' * 100!r}", "GET /api/v1/devices lists them"),)


def test_what_a_parser_refuses_is_an_invalid_field() -> None:
    """And the way back gives the same error."""
    refusal = refusal_of(ContractError("'x x' is no name", field="selector.1", fix="write name=value"))
    assert refusal.detail == "selector.1: 'x x' is no name; write name=value"
    again = contract_error(refusal)
    assert (again.field, again.reason, again.fix) == ("selector.1", "'x x' is no name", "write name=value")


def test_a_document_in_a_message_is_refused_as_a_part_of_it() -> None:
    """With its first fault, or as a whole where none names a field."""
    told = contract_error(invalid("goldens", "none is there", "add one"), "document")
    assert str(told) == "document.goldens: none is there (add one)"
    assert str(contract_error(Refusal(Kind.CONFLICT, "it is a draft"), "document")) == "document: it is a draft"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ContractError("7 is no state", field="state", fix="applied or refused"), "state: 7 is no state (applied or"),
        (unknown("device", "pi-1"), "device: no device 'pi-1'"),
        (OverflowError("date value out of range"), "payload: date value out of range"),
        (asyncpg.DataError("time zone displacement out of range"), "payload: time zone displacement"),
    ],
)
def test_a_message_is_to_blame_for_what_it_says(error: Exception, told: str) -> None:
    """It is put aside with what is wrong with it, however deep that was found."""
    wrong = wrong_with(error)
    assert wrong is not None
    assert str(wrong).startswith(told)


@pytest.mark.parametrize("error", [PermanentError("the role may not write"), WattlineError("?"), KeyError("device")])
def test_a_message_is_not_to_blame_for_a_failure_of_ours(error: Exception) -> None:
    """Those end the gateway, or are entered as its own errors."""
    assert wrong_with(error) is None
