"""Tests of the console run in one loop, because they share a browser."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.rigs.browsing import begin_browser, end_browser
from tests.rigs.servers import KeptConnections

_FOLDER = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give them the session's loop; a browser and what drives it take a second of processor to begin."""
    for item in items:
        if item.path.is_relative_to(_FOLDER) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser_of_session() -> AsyncIterator[None]:
    """The browser in which these tests look, each as somebody new."""
    await begin_browser()
    yield
    await end_browser()


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _nothing_goes_on(browser_of_session: None) -> AsyncIterator[None]:
    """What a failed test leaves is cancelled, as at the end of a loop of its own."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="session")
async def kept_connections() -> AsyncIterator[KeptConnections]:
    """As everywhere, in the loop of these tests."""
    kept = KeptConnections()
    yield kept
    kept.close()
