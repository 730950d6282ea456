"""`python -m device.token`: asks the token once, as its input orders, and ends."""

import device.light_imports  # noqa: F401, I001 - before all others

import base64
import os
import sys
from pathlib import Path

from broker.errors import ContractError, PermanentError
from broker.sealed_box import open_by
from device.token.keys import opened
from device.token.order import TokenAnswer, TokenOrder
from device.token_uri import TokenUri, id_in


def main() -> None:
    """Read the order, do it, say what came of it."""
    os.umask(0o077)
    order = TokenOrder.read(sys.stdin.buffer.read())
    try:
        answer = ask(order)
    except (PermanentError, OSError, ContractError, ValueError) as error:
        answer = TokenAnswer(str(error)[:500] or type(error).__name__)
    sys.stdout.write(answer.text() + "\n")


def ask(order: TokenOrder) -> TokenAnswer:
    """Ask once. Raises TokenError, OSError, ContractError."""
    path, uri = Path(order.certificate), TokenUri.parse(order.key)
    ours = id_in(path.read_bytes())
    with opened(uri, path.parent) as keys:
        if ours is None:
            # until it is renewed, which is at once, its key is in the file
            return TokenAnswer()
        if not keys.has(ours):
            return TokenAnswer(f"the certificate's key is not in the token {uri.token!r}", gone=True)
        key = keys.key(ours)
        if not order.box:
            return TokenAnswer()
        text = open_by(key, base64.b64decode(order.box), base64.b64decode(order.context))
        return TokenAnswer(opened=base64.b64encode(text).decode())


if __name__ == "__main__":
    main()
