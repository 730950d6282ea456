"""What the agent orders of the short-lived process that makes keys and requests, and what that answers: JSON lines."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Result = Literal["issued", "waiting", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A certificate to ask for: by a claim and its token, or by the certificate that is there."""

    url: str
    authority: str
    folder: str
    device: str
    hardware: str
    facts: dict[str, str]
    claim: str = ""
    token: str = ""
    renew: bool = False
    home: str = ""
    """The CA file of the settings' place, where another one is asked: what that does not believe is kept apart."""
    key: str = ""
    """The URI of a token for the key; empty where it is in a file."""

    def text(self) -> bytes:
        """For the process's input: not among its arguments, where everybody on the machine would see the token."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, text: bytes) -> "CertificateRequest":
        """What `text` made."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `failed` may be otherwise the next time, `refused` only once a person has acted."""

    result: Result
    detail: str = ""
    retry_s: int = 0

    def text(self) -> str:
        """For the process's output."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: bytes) -> "Outcome":
        """What `text` made. Raises ValueError, TypeError for all else."""
        document: dict[str, Any] = json.loads(text)
        return cls(**document)
