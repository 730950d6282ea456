"""`wattline meter key set`: files that are no text, and where nobody can be asked."""

from pathlib import Path

import pytest

from tests.rigs import forking

COMMAND = ("meter", "key", "set", "KFM:1", "--url", "http://127.0.0.1:9", "--token", "x" * 24)


async def said(*words: str, given: bytes = b"") -> tuple[int | None, str]:
    """Status and all that is written, in a session without a terminal."""
    return await forking.said("cli", *COMMAND, *words, given=given, start_new_session=True)


@pytest.mark.parametrize("octets", [bytes(range(0xF0, 0x100)), "00112233445566778899aabbccddeeff".encode("utf-16")])
async def test_a_file_that_is_no_text_is_named_and_not_shown(octets: bytes, tmp_path: Path) -> None:
    """A key's bare octets, and what PowerShell writes; by standard input, too."""
    file = tmp_path / "key"
    file.write_bytes(octets)
    for status, text in (await said("--key-file", str(file)), await said("--key-file", "-", given=octets)):
        assert (status, "is no text in UTF-8: write 32 hex digits" in text) == (2, True), text
        assert "Traceback" not in text


async def test_a_mark_before_the_digits_is_none_of_them(tmp_path: Path) -> None:
    """As some editors write it: the request goes to the API, which is not there."""
    file = tmp_path / "key"
    file.write_text("00112233445566778899aabbccddeeff", encoding="utf-8-sig")
    status, text = await said("--key-file", str(file))
    assert (status, "127.0.0.1:9" in text) == (1, True), text


async def test_without_a_terminal_it_is_said_how_to_give_a_key() -> None:
    """At once, and without a warning of Python's."""
    status, text = await said()
    assert (status, "--key-file" in text, "Warning" in text) == (2, True, False), text
