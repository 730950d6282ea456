"""The benchmark of a broker that lost everything, with a small fleet."""

from benchmarks.__main__ import _connect
from benchmarks.config_restore import measure_restore
from deploy.local.stack import LocalStack
from store.migrate import migrate


async def test_a_broker_that_lost_everything_is_whole_again() -> None:
    """The real gateway process publishes a fleet, and all of it once more, with the specs, to the emptied broker."""
    async with LocalStack.start(durable=False) as stack:
        await migrate(stack.postgres.dsn())
        logs = stack.folder / "logs"
        logs.mkdir(exist_ok=True)
        async with _connect(stack.postgres.dsn()) as connection:
            result = await measure_restore(stack, connection, logs, 120)
    assert result.devices == 120
    assert 0 < result.restore_s < 60
