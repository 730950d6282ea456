"""What a running Mosquitto is told by `wattline broker`, over its control topic."""

import asyncio
import logging
import secrets
from dataclasses import replace

import structlog
from pydantic import SecretStr

from broker.contract.topics import DEFAULT_ROOT, Topics
from broker.errors import PermanentError, RefusedError, TransientError
from broker.mosquitto.control import CONNECT_S, Control
from broker.mosquitto.dynamic_security import Login, own_roles, put_login, put_role, remove_login, wanted_roles
from broker.mosquitto.installation import check_removable
from broker.mosquitto.rights import ADMIN, DEVICE, root_of
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress

REACH_S = 5.0
"""Who has not answered by then has no such plugin."""


async def answers(address: BrokerAddress) -> bool:
    """Whether a broker runs there that knows this admin. Raises PermanentError where that can't be told."""
    # what a session says of itself is for the logs of services
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.close()
    try:
        async with Control.open(address, _client_id()) as control, asyncio.timeout(REACH_S):
            await control.run([{"command": "getClient", "username": ADMIN}])
    except (RefusedError, TimeoutError):
        # one that has not read this folder's file: another, or this one before its next start
        return False
    except TransientError as error:
        where = f"{address.host}:{address.port}"
        raise PermanentError(
            f"what listens at {where} can't be asked whether it runs on this folder ({error}): stop it first"
        ) from error
    return True


async def renew_roles(address: BrokerAddress, topics: Topics) -> None:
    """Bring all roles up to date."""
    async with Control.open(address, _client_id()) as control:
        present, held = await control.roles(), await control.held()
        wanted = wanted_roles(topics, present)
        changed = {role: grants for role, grants in wanted.items() if present.get(role) != frozenset(grants)}
        await control.run([put_role(role, grants, held) for role, grants in changed.items()])


async def let_in(address: BrokerAddress, login: Login, password: str | None, *, had_password: bool) -> None:
    """Let somebody in with this password, or without one; who is let in already without one stays connected."""
    can_be_tried = login.client_id is None and address.tls_certificate is None
    if password and can_be_tried and await _is_in(address, login, password):
        # a password that is given again would cut the service off
        return
    async with Control.open(address, _client_id()) as control:
        held = await control.held()
        (answer,) = await control.run([{"command": "getRole", "rolename": DEVICE}])
        topics = Topics(root_of(acl["topic"] for acl in answer["data"]["role"]["acls"]) or DEFAULT_ROOT)
        roles = {role: grants for role, grants in own_roles(login, topics).items() if role not in held.roles}
        commands = [put_role(role, grants, held) for role, grants in roles.items()]
        if password is None and had_password and login.name in held.logins:
            # the plugin takes no password away
            commands.append(remove_login(login.name))
            held = replace(held, logins=held.logins - {login.name})
        await control.run([*commands, *put_login(login, password, held)])


async def let_out(address: BrokerAddress, name: str) -> None:
    """Let somebody in no more who is no device. Raises PermanentError."""
    async with Control.open(address, _client_id()) as control:
        found, _ = await control.some([name], [])
        check_removable(name, found.get(name))
        await control.run([remove_login(name)])


async def _is_in(address: BrokerAddress, login: Login, password: str) -> bool:
    """Whether a service is let in with this password as it is."""
    as_login = address.model_copy(update={"username": login.name, "password": SecretStr(password)})
    async with Session(as_login, SessionOptions(_client_id())) as session:
        try:
            async with asyncio.timeout(CONNECT_S):
                await session.wait_connected()
        except (RefusedError, TimeoutError):
            return False
        return True


def _client_id() -> str:
    return f"{ADMIN}-{secrets.token_hex(4)}"
