"""The short version of `make chaos`: the whole stack as processes, its most telling faults one after the other."""

import random
import secrets
from pathlib import Path

import pytest

from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from tests.chaos import faults
from tests.chaos.build import Ground
from tests.chaos.build import stack as whole_stack
from tests.chaos.judge import Before
from tests.chaos.plan import Plan
from tests.chaos.registry import FAULTS
from tests.chaos.run import run
from tests.chaos.service import Process
from tests.chaos.template import make_template

assert faults


async def test_nothing_is_lost_repeated_or_wrong(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through each of them, counted against what the meters wrote down before anybody could know it."""
    monkeypatch.setattr(Process, "forked", True)
    chosen = [fault for fault in FAULTS.values() if fault.short]
    assert all(fault.plan == Plan() for fault in chosen)
    settings = LocalSettings()
    template = await make_template(stack.toolchain, stack.folder / f"postgres-{secrets.token_hex(4)}", settings)
    seed = secrets.token_hex(4)
    bad: list[str] = []
    async with whole_stack(Ground(stack.toolchain, Path(template), settings), Plan(), random.Random(seed)) as built:  # noqa: S311
        before = Before()
        for fault in chosen:
            verdict = await run(fault, built, before, load_s=(0.5, 2.0), after_s=2.0)
            if not verdict.good or not verdict.given:
                bad.append(f"{fault.name}: {verdict}")
    assert not bad, f"seed {seed}: {bad}"
