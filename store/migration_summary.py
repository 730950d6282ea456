"""What `wattline migrate` says at its end: which roles nobody can log in as yet, and which jobs fail."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from store.jobs import failing_jobs
from store.migrate import ROLES, connect
from store.sql import Connection, statement


@dataclass(frozen=True, slots=True)
class RoleLogin:
    """Whether a role can log in."""

    role: str
    may_log_in: bool
    has_password: bool
    expired: bool


@statement
async def role_logins(connection: Connection, roles: Sequence[str]) -> list[RoleLogin]:
    """Roles by name; only a superuser may ask."""


async def remarks(dsn: str) -> list[str]:
    """Each with what to do about it; nothing of what this role may not see. Raises MigrationError."""
    connection = await connect(dsn)
    try:
        return await _roles(connection) + [str(job) for job in await failing_jobs(connection)]
    finally:
        await connection.close()


async def _roles(connection: Connection) -> list[str]:
    try:
        logins = await role_logins(connection, ROLES)
    except asyncpg.InsufficientPrivilegeError:
        return []
    said = []
    for login in logins:
        role = login.role
        if not login.may_log_in:
            said.append(f"{role} may not log in: ALTER ROLE {role} LOGIN")
        elif not login.has_password:
            said.append(
                f"{role} has no password yet: ALTER ROLE {role} PASSWORD '...' "
                "(unless pg_hba.conf lets it in by certificate, peer or trust)"
            )
        elif login.expired:
            said.append(f"the password of {role} has expired: ALTER ROLE {role} VALID UNTIL 'infinity'")
    return said
