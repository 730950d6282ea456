"""Specs that an engineer publishes retained on their own topic: judged and published as the API would."""

import json

from broker.contract.messages import SpecMessage
from broker.contract.topics import Address, Topics
from broker.errors import ContractError
from gateway.bus.publisher import Publisher
from gateway.faults import Refusal, contract_error
from gateway.principals import HAND
from gateway.specs.life import SpecLife
from gateway.specs.rollouts.models import PublishQuery

BY_HAND = PublishQuery(author=HAND, reason="published by hand on its topic")


class SpecsByHand:
    """Takes spec messages that are not ours; what may not be published is taken off the broker again."""

    def __init__(self, life: SpecLife, publisher: Publisher, topics: Topics) -> None:
        self._life = life
        self._publisher = publisher
        self._topics = topics

    async def take(self, address: Address, payload: bytes) -> str:
        """Publish the document of a spec that the store does not have.

        Raises ContractError that names the first field which speaks against it; the topic is then cleared.
        """
        try:
            message = SpecMessage.parse(payload)
            self._check(address, message)
            topic = self._topics.spec(address.spec, address.version)
            changed = await self._life.publish(json.dumps(message.document).encode(), BY_HAND, topic=topic)
        except ContractError:
            self._publisher.clear_spec(address.spec, address.version)
            raise
        except Refusal as refusal:
            self._publisher.clear_spec(address.spec, address.version)
            raise contract_error(refusal, "document") from refusal
        self._publisher.need_specs(f"{address.spec}@{address.version}", again=True)
        return "adopted" if changed.changed else "in_step"

    @staticmethod
    def _check(address: Address, message: SpecMessage) -> None:
        """See that topic, message and document speak of one spec. Raises ContractError."""
        for field, stated, wanted in (
            ("spec", message.spec, address.spec),
            ("version", message.version, address.version),
            ("document.name", message.document.get("name"), address.spec),
            ("document.version", message.document.get("version"), address.version),
        ):
            if stated != wanted:
                raise ContractError(
                    f"{str(stated)[:100]!r} on the topic of {address.spec}@{address.version}",
                    field=field,
                    fix=f"write {wanted}, or publish it on its own topic",
                )
