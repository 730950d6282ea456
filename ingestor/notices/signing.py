"""Signatures of webhooks, as Standard Webhooks has them (symmetric, v1)."""

import base64
import hmac
from datetime import datetime
from typing import Final

from store.notices.channels import key_of

MEDIA: Final = "application/cloudevents+json; charset=utf-8"


def headers(secret: str, message: str, at: datetime, body: bytes) -> dict[str, str]:
    """What a webhook is sent with: `message` is its id, the same for every attempt."""
    stamp = str(int(at.timestamp()))
    signed = f"{message}.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()
    return {
        "Content-Type": MEDIA,
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }
