"""A mail with a file, by the address of an e-mail channel: once to each recipient, who each take it or not."""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ingestor.notices.by_apprise import ran
from ingestor.notices.outcome import MAX_ANSWER
from store.notices.channels import Address

SCHEMES: Final = ("mailto", "mailtos")
PROCESS: Final = "ingestor.notices.mail_process"


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent: two texts that say the same, and a file. By `id` a repeat is known for one (RFC 5322 3.6.4)."""

    id: str
    made_at: datetime
    subject: str
    plain: str
    html: str
    name: str | None
    """Of the file; None for none."""
    data: bytes = b""

    def document(self) -> dict[str, Any]:
        """As the process takes it."""
        return {
            "id": self.id, "made_at": self.made_at.isoformat(), "subject": self.subject, "plain": self.plain,
            "html": self.html, "name": self.name, "data": base64.b64encode(self.data).decode(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handed:
    """What the mail server said: who has it by now, who never gets it, and who may yet, each with its answer.

    Recipients are known by marks; only what may be shown of them stands in the answers.
    """

    taken: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    """Why nothing was handed over at all; `dead` where no repetition helps."""
    dead: bool = False


async def send(address: Address, mail: Mail, done: Collection[str], *, timeout_s: float, private: bool) -> Handed:
    """Send it once to all recipients of the channel who are not `done`; what came of it, whatever came."""
    asked = {"url": address.url, "private": private, "timeout_s": timeout_s, "done": sorted(done)}
    try:
        said, code = await ran(PROCESS, json.dumps({**asked, **mail.document()}).encode(), timeout_s)
    except TimeoutError:
        return Handed(error=f"the mail server did not take it within {timeout_s:g} s")
    try:
        found = json.loads(said)
    except ValueError:
        return Handed(error=f"the process that sends ended with {code}")
    return Handed(
        tuple(found["taken"]), _short(found["refused"]), _short(found["waiting"]), found["error"][:MAX_ANSWER],
        found["dead"],
    )  # fmt: skip


def _short(answers: Mapping[str, str]) -> dict[str, str]:
    return {who: answer[:MAX_ANSWER] for who, answer in answers.items()}
