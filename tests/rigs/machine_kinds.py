"""The kinds of machines on which a test of Ansible runs, and which of them are wanted."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from deploy.local.machine_image import MachineImage
from tests.rigs.machines import Machine, Network
from tests.rigs.systemd_machines import SystemdNetwork

KINDS = ("namespaces", "qemu")
"""Of this host's kernel, in minutes; and emulated whole, in an hour."""


def wanted_kinds() -> list[str]:
    """What WATTLINE_OPS_MACHINES names, with spaces between; namespaces if it is not set. Raises ValueError."""
    kinds = os.environ.get("WATTLINE_OPS_MACHINES", "").split() or [KINDS[0]]
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"WATTLINE_OPS_MACHINES: {', '.join(sorted(unknown))} is none of {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in kinds]


@contextlib.asynccontextmanager
async def machines_of(
    kind: str, image: MachineImage, folder: Path, meters: Mapping[str, Path | None]
) -> AsyncIterator[dict[str, Machine]]:
    """Bare machines by their names, each with its meter's pty or none; those in namespaces share `folder`/shared.

    In namespaces `pi-2` is at a home, behind its router.
    """
    async with contextlib.AsyncExitStack() as stack:
        machines = {}
        if kind == "qemu":
            network = Network(image, folder)
            for name, meter in meters.items():
                sizes = (1536, 2) if meter is None else (512, 1)
                machine = network.machine(name, meter=meter, memory_mib=sizes[0], processors=sizes[1])
                machines[name] = await stack.enter_async_context(machine)
        else:
            (folder / "shared").mkdir(exist_ok=True)
            wire = SystemdNetwork(image, folder / "machines", folder / "shared")
            stack.enter_context(wire.wired())
            for name, meter in meters.items():
                machine = wire.machine(name, meter=meter, at_home=name == "pi-2")
                machines[name] = await stack.enter_async_context(machine)
        yield machines
