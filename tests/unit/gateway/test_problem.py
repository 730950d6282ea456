"""Errors of the API as they go over the wire."""

import json

from gateway.layers import Problem
from gateway.problem import ApiError


def test_what_is_no_text_can_be_quoted_all_the_same() -> None:
    """A header in another encoding than UTF-8 comes with lone surrogates; quoting it is no failure of the gateway."""
    fault = Problem("If-Match", "\udce4 is not what holds now", "GET it again")
    body = ApiError(412, "\udce4 is stale", [fault]).response().body
    assert isinstance(body, bytes)
    document = json.loads(body)
    assert (document["status"], document["detail"]) == (412, "? is stale")
    assert document["errors"][0]["reason"] == "? is not what holds now"
