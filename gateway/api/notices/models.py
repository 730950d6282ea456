"""What the API takes and answers about notifications."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from broker.contract.messages import At
from gateway.api.auth.models import SecretBody
from gateway.models import ApiModel, PageQuery
from gateway.notices.store import DeliveryState
from store.notices.channels import MAX_URL
from store.notices.rules import Rule


class ChannelRequest(SecretBody):
    """Where a channel leads, in the place of all before. Nobody is shown it again."""

    url: Annotated[SecretStr, Field(min_length=1, max_length=MAX_URL)] = Field(
        description="https://... for a webhook; mailto(s), ntfy(s), tgram, slack, workflows as apprise has them."
    )
    secret: Annotated[SecretStr, Field(max_length=200)] | None = Field(
        default=None, description="Of a webhook, as Standard Webhooks has it: whsec_ and base64. One is made if absent."
    )


class ChannelView(ApiModel):
    """A channel without its secrets, and how its messages stand."""

    name: str
    kind: Literal["webhook", "apprise"]
    shown: str = Field(description="Its URL without what is secret.")
    author: str
    created_at: At
    changed_at: At
    failures: int = Field(description="Attempts since the last that went well.")
    not_before: At | None = Field(description="While it fails: when it is tried again.")
    answer: str | None = Field(description="What the other side said last.")
    answered_at: At | None
    waiting: int
    dead: int = Field(description="Messages that were given up, for a person to replay.")


class ChannelSet(ChannelView):
    """A channel that was set."""

    secret: str = Field(description="The secret that was made for a webhook, shown this once; else empty.")


class ChannelList(ApiModel):
    """All channels."""

    items: tuple[ChannelView, ...]


class RuleRequest(Rule):
    """A rule."""


class RuleView(ApiModel):
    """A rule, and what it has found."""

    name: str
    rule: dict[str, Any] = Field(description="As it was given; what is not in it has its default.")
    author: str
    created_at: At
    changed_at: At
    told_at: At | None = Field(description="When it spoke last.")
    found: int = Field(description="What waits to be told, and states of which the end is to be.")
    more: int = Field(description="Events that are only counted, as too many waited.")


class RuleSet(RuleView):
    """A rule that was set."""

    note: str = Field(description="What is odd about it, such as a code that no meter sends; else empty.")


class RuleList(ApiModel):
    """All rules."""

    items: tuple[RuleView, ...]


class MessagesQuery(PageQuery):
    """Which messages."""

    state: DeliveryState | None = Field(default=None, description="Only those in this state.")
    channel: str | None = Field(default=None, max_length=64, description="Only to this channel.")


class MessageView(ApiModel):
    """A message on its way, there, or dead."""

    id: UUID
    rule: str | None = Field(description="Null of a test by hand.")
    channel: str
    made_at: At
    state: DeliveryState
    tries: int
    title: str
    text: str
    event: dict[str, Any] = Field(description="The CloudEvent.")
    answer: str | None = Field(description="What the other side said last.")
    changed_at: At


class MessagePage(ApiModel):
    """Messages, the newest first."""

    items: tuple[MessageView, ...]
    next: str | None
