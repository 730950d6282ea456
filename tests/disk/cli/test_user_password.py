"""`wattline user` where nobody can be asked for a password."""

import pytest

from tests.rigs import forking


@pytest.mark.parametrize("words", [("add", "anna", "--role", "viewer"), ("password", "anna")])
async def test_without_a_terminal_it_is_said_how_to_give_a_password(words: tuple[str, ...]) -> None:
    """At once, and nothing of it is shown; by a file or standard input it goes on."""
    command = ["user", *words, "--url", "http://127.0.0.1:9", "--token", "x" * 24]

    async def said(*more: str) -> tuple[int | None, str]:
        # a session of its own has no terminal, wherever the tests run
        return await forking.said("cli", *command, *more, given=b"secret-word-here\n", start_new_session=True)

    status, text = await said()
    assert (status, "--password-file -" in text) == (2, True), text
    assert "Warning" not in text
    assert "secret" not in text
    status, text = await said("--password-file", "-")
    assert (status, "http://127.0.0.1:9" in text) == (1, True), text
