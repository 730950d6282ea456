"""A message by apprise, in a process of its own, which ends at its time and reaches no address that it may not."""

import asyncio
import json
import os
import sys
from typing import Final

from ingestor.notices.outcome import MAX_ANSWER, Outcome
from store.notices.channels import Address

READ_BYTES: Final = 65536
KEPT: Final = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""What the process is given of the worker's environment: none of its secrets, and no proxy."""


async def send(address: Address, title: str, text: str, *, timeout_s: float, private: bool) -> Outcome:
    """Send it once; what came of it, whatever came."""
    asked = json.dumps({"url": address.url, "title": title, "text": text, "private": private}).encode()
    try:
        said, code = await ran("ingestor.notices.apprise_process", asked, timeout_s)
    except TimeoutError:
        return Outcome("again", f"no answer within {timeout_s:g} s")
    return _outcome(said, code)


async def ran(module: str, asked: bytes, timeout_s: float) -> tuple[bytes, int | None]:
    """What a process answered, and how it ended; one that takes longer is killed. Raises TimeoutError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", module,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=READ_BYTES, env={name: os.environ[name] for name in KEPT if name in os.environ},
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            said, _ = await process.communicate(asked)
            return said, process.returncode
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _outcome(said: bytes, code: int | None) -> Outcome:
    try:
        found = json.loads(said)
    except ValueError:
        return Outcome("again", f"the process that sends ended with {code}")
    return Outcome(found["state"], str(found["answer"])[:MAX_ANSWER])
