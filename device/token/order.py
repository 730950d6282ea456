"""What the agent asks of its token, in a short-lived process: whether its key is there, and what was sealed to it."""

import asyncio
import base64
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

PROCESS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """The URI of our keys, and the certificate whose key is meant; it opens `box` (base64), where there is one."""

    key: str
    certificate: str
    box: str = ""
    context: str = ""

    def text(self) -> bytes:
        """For the process's input."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, text: bytes) -> "TokenOrder":
        """What `text` made."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """`fault` says why not; else `opened` (base64) is what was in the box. `gone`: the token is there, the key not."""

    fault: str = ""
    gone: bool = False
    opened: str = ""

    def text(self) -> str:
        """For the process's output."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: bytes) -> "TokenAnswer":
        """What `text` made. Raises ValueError, TypeError for all else."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class AgentToken:
    """The agent's way to its token."""

    uri: str
    certificate: Path

    async def seen(self) -> TokenAnswer:
        """Whether the certificate's key can be used now."""
        return await _done(TokenOrder(self.uri, str(self.certificate)))

    async def opened(self, box: bytes, context: bytes) -> TokenAnswer:
        """What was sealed to the key."""
        sealed, about = (base64.b64encode(one).decode() for one in (box, context))
        return await _done(TokenOrder(self.uri, str(self.certificate), sealed, about))


async def _done(order: TokenOrder) -> TokenAnswer:
    """A process of its own: a module is other people's code, and must not end the agent."""
    pipe = asyncio.subprocess.PIPE
    # -P: what lies in the working folder is none of ours
    words = (sys.executable, "-P", "-m", "device.token")
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        return TokenAnswer(f"no process could be started: {error}")
    try:
        async with asyncio.timeout(PROCESS_S):
            said, complaint = await process.communicate(order.text())
        return TokenAnswer.read(said)
    except TimeoutError:
        return TokenAnswer(f"the token gave no answer in {PROCESS_S:g} s")
    except (ValueError, TypeError):
        told = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        return TokenAnswer(f"the process that asks the token ended with {process.returncode}: {told[0][:300]}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
