"""Ports for servers: apart between processes, and out of the way of outgoing connections."""

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest

from deploy.local import process
from deploy.local.process import HOST, free_port, quiet_ports

_ASK = """
import deploy.local.process as p
p.quiet_ports = lambda _: range({0}, {1})
print(p.free_port(), flush=True)
input()
"""


def _only(first: int, end: int) -> Callable[[int], range]:
    return lambda _: range(first, end)


@pytest.mark.parametrize(("ephemeral", "ports"), [(32_768, (10_000, 32_768)), (1_024, (10_000, 65_536))])
def test_no_port_is_one_that_the_kernel_gives_to_a_connection(ephemeral: int, ports: tuple[int, int]) -> None:
    """An outgoing connection can't take a server's port before it listens, or while it restarts."""
    assert quiet_ports(ephemeral) == range(*ports)
    assert free_port() >= ports[0]


async def test_two_processes_get_different_ports_though_nobody_listens_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port is its process's until that ends, also before a server is there."""
    first = free_port()
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ASK.format(first + 1, first + 100),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    taken = int(await asyncio.wait_for(other.stdout.readline(), 60))
    monkeypatch.setattr(process, "quiet_ports", _only(taken, taken + 40))
    assert taken not in {free_port() for _ in range(30)}
    await asyncio.wait_for(other.communicate(b"\n"), 60)
    monkeypatch.setattr(process, "quiet_ports", _only(taken, taken + 1))
    assert free_port() == taken


async def test_a_port_that_somebody_listens_at_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never asked here keeps its port."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(process, "quiet_ports", _only(port, port + 20))
        assert port not in {free_port() for _ in range(10)}
