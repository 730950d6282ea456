"""A real mail server on a port of its own, which answers as a test says."""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.process import free_port


@dataclass
class MailServer:
    """What came, by whom it is for; `recipients` and `answers` say what is answered next."""

    port: int = 0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    recipients: dict[str, list[str]] = field(default_factory=dict)
    """Answers to RCPT of an address, one after the other, 250 behind them."""
    answers: list[str] = field(default_factory=list)
    """Answers to DATA, one after the other, 250 behind them."""
    tries: int = 0

    def url(self, *to: str) -> str:
        """Of a channel that leads here."""
        return f"mailto://127.0.0.1:{self.port}?from=reports@example.org&to={','.join(to)}&mode=insecure"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if planned := self.recipients.get(address):
            return planned.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail, or not."""
        self.tries += 1
        if self.answers:
            return self.answers.pop(0)
        mail = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[arg-type]
        self.taken.append((list(envelope.rcpt_tos), cast("EmailMessage", mail)))
        return "250 taken"


@contextlib.asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """A mail server of this machine."""
    server = MailServer(free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    await asyncio.to_thread(controller.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(controller.stop)
