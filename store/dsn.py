"""Addresses of databases, as postgresql://user:password@host:port/name: what can be one, and how to speak of it."""

from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from broker.errors import PermanentError

_FORM = "postgresql://user:password@host:port/name"
_PORT = "5432"
_ATTRS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
"""What libpq takes for target_session_attrs."""


def check_dsn(dsn: str) -> None:
    """See that an address can be one of a database: scheme, ports, and that it names the database.

    Hosts may be several, with commas, and parts may stand behind `?`, as libpq has it. Raises PermanentError that says
    what is wrong and never quotes what may be a part of the password.
    """
    try:
        parts = urlsplit(dsn)
    except ValueError as error:
        raise _no_dsn(f"is no address ({error})", "put an IPv6 address into [ ]") from error
    if parts.scheme not in ("postgresql", "postgres") or not dsn.startswith(f"{parts.scheme}://"):
        raise _no_dsn("does not start with postgresql:// or postgres://", "write the whole address")
    if "@" in parts.path + parts.query + parts.fragment and "@" not in parts.netloc:
        raise _no_dsn("has a / ? or # before its @", "write these in the password as %2F, %3F and %23")
    query = parse_qs(parts.query)
    for port in (*_ports(parts), *",".join(query.get("port", ())).split(",")):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
            raise _no_dsn(f"has the port {port[:20]}", "give one from 1 to 65535")
    attrs = session_attrs(dsn)
    if attrs and attrs not in _ATTRS:
        raise _no_dsn(f"has target_session_attrs={attrs[:20]}", f"give one of {', '.join(_ATTRS)}")
    if not parts.path.strip("/") and not query.get("dbname") and not query.get("database"):
        raise _no_dsn("names no database", "append /name")


def _ports(parts: SplitResult) -> list[str]:
    """What stands behind the colon of each host."""
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return [host.rpartition("]")[2].partition(":")[2] for host in hosts]


def _no_dsn(fault: str, fix: str) -> PermanentError:
    return PermanentError(f"the database's DSN {fault}: {fix}, as in {_FORM}")


def session_attrs(dsn: str) -> str:
    """What the address itself wants of a server (`target_session_attrs`), empty where it says nothing."""
    return parse_qs(urlsplit(dsn).query).get("target_session_attrs", [""])[-1]


def host_ports(dsn: str) -> list[tuple[str, int]]:
    """The servers that an address names, in order; an empty host is the local socket."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    hosts = [_host(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    if not any(hosts):
        hosts = ",".join(query.get("host", ())).split(",")
    ports = _ports(parts)
    if not any(ports):
        ports = ",".join(query.get("port", ())).split(",")
    ports += ports[-1:] * (len(hosts) - len(ports))
    return [(host, int(port or _PORT)) for host, port in zip(hosts, ports, strict=False)]


def place(dsn: str) -> str:
    """Hosts, ports and database for people, never the password; of an address that `check_dsn` takes."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    database = parts.path.strip("/") or (query.get("dbname") or query.get("database") or [""])[0]
    hosts = ",".join(f"{host or 'the local socket'}:{port}" for host, port in host_ports(dsn))
    return f"{hosts}/{unquote(database)}"


def user(dsn: str) -> str:
    """The role that an address names, for people."""
    parts = urlsplit(dsn)
    return unquote(parts.username or "") or parse_qs(parts.query).get("user", ["(none named)"])[0]


def _host(text: str) -> str:
    """Of `host:port`, where an IPv6 address stands in brackets."""
    return unquote(text[: text.rindex("]") + 1] if "]" in text else text.partition(":")[0])
