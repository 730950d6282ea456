"""What `wattline migrate` says at its end: which roles nobody can log in as yet, and which jobs fail."""

import asyncpg

from store.jobs import failing_jobs
from store.migrate import ROLES, Connection, connect
from store.queries import load


async def remarks(dsn: str) -> list[str]:
    """Each with what to do about it; nothing of what this role may not see. Raises MigrationError."""
    connection = await connect(dsn)
    try:
        return await _roles(connection) + [str(job) for job in await failing_jobs(connection)]
    finally:
        await connection.close()


async def _roles(connection: Connection) -> list[str]:
    try:
        rows = await connection.fetch(load("role_logins"), ROLES)
    except asyncpg.InsufficientPrivilegeError:
        return []
    said = []
    for row in rows:
        role = row["role"]
        if not row["may_log_in"]:
            said.append(f"{role} may not log in: ALTER ROLE {role} LOGIN")
        elif not row["has_password"]:
            said.append(
                f"{role} has no password yet: ALTER ROLE {role} PASSWORD '...' "
                "(unless pg_hba.conf lets it in by certificate, peer or trust)"
            )
        elif row["expired"]:
            said.append(f"the password of {role} has expired: ALTER ROLE {role} VALID UNTIL 'infinity'")
    return said
