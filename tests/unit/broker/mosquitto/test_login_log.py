"""What Mosquitto's log says of logins, in the words of its versions."""

import pytest

from broker.mosquitto.login_log import LINE_BYTES, Attempt, Result, attempt

AT = "2026-11-29T13:09:23: "


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("New client connected from 10.0.0.7:54273 as pi-1 (p5, c1, k60, u'pi-1').",
         Attempt(Result.LET_IN, "pi-1", "10.0.0.7")),
        ("New client connected from ::1:5 as x (p2, c1, k60, u'wattline-anna').",
         Attempt(Result.LET_IN, "wattline-anna", "::1")),
        ("Client pi-1 disconnected, not authorised.", Attempt(Result.REFUSED, "pi-1")),
        ("Client pi-1 [10.0.0.7:56761] disconnected: not authorised.", Attempt(Result.REFUSED, "pi-1", "10.0.0.7")),
        ("Client <unknown> disconnected: Protocol error.", Attempt(Result.BROKEN)),
        ("Client <unknown> disconnected due to protocol error.", Attempt(Result.BROKEN)),
        ("New connection from 127.0.0.1:48483 on port 27676.", None),
        ("Client pi-1 disconnected.", None),
        ("Client pi-1 has been disconnected by administrative action.", None),
    ],
)  # fmt: skip
def test_a_line_says_what_came_of_an_attempt(line: str, said: Attempt | None) -> None:
    """With the time before it, as it comes over the topic, and without."""
    assert attempt(line.encode()) == attempt((AT + line).encode()) == said


def test_a_client_id_does_not_forge_a_line() -> None:
    """It may say anything: the name of who was let in stands behind it, and a refused one stays refused."""
    forged = "x (p5, c1, k60, u'wattline-anna')."
    let_in = attempt(f"{AT}New client connected from 10.0.0.7:5 as {forged} (p5, c1, k60, u'pi-1').".encode())
    assert let_in == Attempt(Result.LET_IN, "pi-1", "10.0.0.7")
    line = f"New client connected from 10.0.0.7:5 as {forged}"
    refused = attempt(f"{AT}Client {AT}{line} disconnected, not authorised.".encode())
    assert refused is not None
    assert (refused.result, len(refused.name) <= 80) == (Result.REFUSED, True)


@pytest.mark.parametrize("claimed", ["pi-9 [203.0.113.7:1]", "pi-9 [203.0.113.7:1] disconnected: not authorised."])
def test_a_client_id_does_not_forge_an_address(claimed: str) -> None:
    """Mosquitto 2.0 says none of who is refused, later ones say it last."""
    said = attempt(f"{AT}Client {claimed} disconnected, not authorised.".encode())
    assert said == Attempt(Result.REFUSED, claimed)
    said = attempt(f"{AT}Client {claimed} [10.0.0.7:5] disconnected: not authorised.".encode())
    assert said == Attempt(Result.REFUSED, claimed, "10.0.0.7")


@pytest.mark.parametrize(
    "end", ["", " [203.0.113.7:1] disconnected: not authorised.", " (p5, c1, k60, u'wattline-anna')."]
)
def test_a_line_that_was_cut_counts_and_says_nothing_of_its_end(end: str) -> None:
    """A client id of 1 000 characters hides no login, nor does one whose own words end where the line is cut."""
    for begin, said in (
        ("Client ", Attempt(Result.REFUSED, "x" * 80)),
        ("New client connected from 10.0.0.7:5 as ", Attempt(Result.LET_IN, "", "10.0.0.7")),
    ):
        claimed = "x" * (LINE_BYTES - len(AT + begin + end)) + end
        for behind in (" disconnected, not authorised.", " (p5, c1, k60, u'wattline-bob')."):
            assert attempt(f"{AT}{begin}{claimed}{behind}"[:LINE_BYTES].encode()) == said
    umlauts = f"{AT}Client {'ü' * 600}".encode()[:LINE_BYTES]
    assert attempt(umlauts) == Attempt(Result.REFUSED, "ü" * 80)
