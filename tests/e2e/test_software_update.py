"""A Pi's software from desired to confirmed, and a bad release undone, with everything real."""

from pathlib import Path

from tests.rigs.pi_releases import HUNGRY
from tests.rigs.servers import Broker, Database
from tests.rigs.software_updates import Publishing, ground
from tests.rigs.waiting import until


async def test_a_release_is_kept_where_it_works_and_undone_where_it_does_not(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """The next release reads on and is kept, its updater too; one that eats memory goes back; nothing is lost."""
    publishing = Publishing.begun(tmp_path / "publishing")
    wheels = [publishing.publish(version) for version in ("0.2.0", "0.3.0")]
    publishing.publish("0.4.0", HUNGRY)
    async with ground(broker, database, publishing, tmp_path) as all_:
        kept = await all_.told(await all_.desire("0.3.0"), "confirmed")
        assert kept.running == "0.3.0"
        assert kept.octets == wheels[1].stat().st_size, "what both releases share was not fetched again"
        await all_.reads("0.3.0")
        await until(lambda: all_.pi.updater.slot == "0.3.0", what="the updater is of what is confirmed")
        undone = await all_.told(await all_.desire("0.4.0", memory_limit_mib=80.0), "rolled_back")
        assert (undone.running, all_.pi.current) == ("0.3.0", "0.3.0")
        assert "MiB, more than 80" in undone.reasons[0].reason
        await all_.reads("0.3.0")
        assert await all_.whole() > 10
        await until(lambda: all_.pi.slots() == ["0.2.0", "0.3.0"], what="the bad one's slot is gone")
