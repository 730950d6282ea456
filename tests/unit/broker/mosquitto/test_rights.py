"""What each login may do, as it is granted by name."""

from broker.contract.identity import BRIDGE, FOREIGN, HOME_ASSISTANT, ROLES
from broker.contract.topics import DEVICE_READS, DEVICE_WRITES, Topics
from broker.mosquitto.rights import (
    ADMIN,
    CONTROL,
    FOREIGN_ROOTS,
    Act,
    Grant,
    device_grants,
    device_of_role,
    every_device_grants,
    own_role,
    role_grants,
    root_of,
)
from intake.bridge.filters import matches, overlaps


def _of(grants: tuple[Grant, ...], act: Act) -> set[str]:
    return {grant.topic for grant in grants if grant.act is act and grant.allow}


def test_a_device_has_its_own_topics_by_name() -> None:
    """Each kind that the contract lets it write and read is named, below its own id; nothing is granted by wildcard."""
    grants = device_grants(Topics("acme/v1"), "pi-1")
    own = "acme/v1/devices/pi-1"
    assert (
        _of(grants, Act.PUBLISH)
        == {f"{own}/{kind}" for kind in DEVICE_WRITES}
        == {
            f"{own}/{kind}"
            for kind in (
                "status",
                "registration",
                "readings",
                "frames",
                "events",
                "config/reported",
                "replies",
                "software/reported",
            )
        }
    )
    reads = {f"{own}/config/desired", f"{own}/receipts", f"{own}/commands/#", f"{own}/software/desired", f"{own}/keys"}
    assert _of(grants, Act.SUBSCRIBE) == _of(grants, Act.RECEIVE) == reads
    assert len(DEVICE_READS) == len(reads)
    assert all(grant.topic.startswith(f"{own}/") for grant in grants)


def test_all_devices_share_the_specs_alone() -> None:
    """What is the same for all of them: the specs, and to take back any subscription."""
    grants = every_device_grants(Topics("acme/v1"))
    assert {(grant.act, grant.topic) for grant in grants} == {
        (Act.SUBSCRIBE, "acme/v1/specs/#"),
        (Act.RECEIVE, "acme/v1/specs/#"),
        (Act.UNSUBSCRIBE, "#"),
    }


def test_roles_write_no_more_than_their_work_needs() -> None:
    """The ingestor receipts, the gateway what it answers for and a revoked device's last word, engineers parameters."""
    roles = role_grants(Topics())
    root = "wattline/v1"
    assert {role: _of(roles[role], Act.PUBLISH) for role in ROLES} == {
        "ingestor": {f"{root}/devices/+/receipts"},
        "gateway": {
            f"{root}/devices/+/config/desired",
            f"{root}/devices/+/commands/+",
            f"{root}/devices/+/status",
            f"{root}/devices/+/software/desired",
            f"{root}/devices/+/keys",
            f"{root}/specs/+/+",
            CONTROL,
        },
        "engineer": {f"{root}/devices/+/config/desired", f"{root}/specs/+/+"},
        "monitor": set(),
        "bridge": {"spBv1.0/STATE/+", "spBv1.0/+/NCMD/+"},
        "foreign": {*FOREIGN_ROOTS, "homeassistant/+/+/config", "homeassistant/+/+/+/config"},
        "outlet": {"homeassistant/device/+/config", "wattline/ha/#", "spBv1.0/Wattline/#"},
        "sparkplug-host": {"spBv1.0/+/NCMD/+", "spBv1.0/+/DCMD/+/+", "spBv1.0/STATE/+"},
        "home-assistant": {"homeassistant/#"},
    }  # fmt: skip


def test_foreign_devices_and_the_bridge_have_nothing_of_ours() -> None:
    """Neither reads or writes what our own devices say, whatever the root is."""
    for root in ("wattline/v1", "acme", "a/b/c"):
        roles = role_grants(Topics(root))
        for role in (BRIDGE, FOREIGN):
            topics = {grant.topic for grant in roles[role] if grant.act is not Act.UNSUBSCRIBE}
            assert not [topic for topic in topics if overlaps(topic, f"{root}/#") and not topic.startswith("+/")]
            ours = [f"{root}/devices/pi-1/{kind}" for kind in (*DEVICE_WRITES, *DEVICE_READS)] + [f"{root}/specs/x/1"]
            assert not [(topic, one) for topic in topics for one in ours if matches(topic, one)]


def _may(grants: tuple[Grant, ...], act: Act, topic: str) -> bool:
    """As the plugin judges: a denial first."""
    said = {grant.allow for grant in grants if grant.act is act and matches(grant.topic, topic)}
    return said == {True}


def test_foreign_devices_speak_for_none_of_our_meters() -> None:
    """What the outlet says to others, and what it is told by hosts, is nobody's to write who is foreign."""
    grants = role_grants(Topics())[FOREIGN]
    for topic in (
        "spBv1.0/Wattline/DDATA/wattline/LGZ:1", "spBv1.0/Wattline/NBIRTH/wattline", "spBv1.0/Wattline/NCMD/wattline",
        "wattline/ha/wattline/wattline_meter_1/state", "homeassistant/device/wattline_meter_1/config",
        "homeassistant/status", "homeassistant/sensor/plug/energy/state", "spBv1.0/STATE/scada",
    ):  # fmt: skip
        assert not _may(grants, Act.PUBLISH, topic), topic
    for topic in ("spBv1.0/plant/DDATA/n/d", "homeassistant/sensor/plug/energy/config", "tele/plug/SENSOR"):
        assert _may(grants, Act.PUBLISH, topic), topic


def test_home_assistant_is_given_nothing_that_a_foreign_device_may_write() -> None:
    """A foreign announcement may name our meters' ids in its text, which no broker judges: it does not come there."""
    roles = role_grants(Topics())
    written = {grant.topic for grant in roles[FOREIGN] if grant.act is Act.PUBLISH and grant.allow}
    denied = {grant.topic for grant in roles[FOREIGN] if grant.act is Act.PUBLISH and not grant.allow}
    given = _of(roles[HOME_ASSISTANT], Act.RECEIVE)
    assert not [topic for topic in given - denied for one in written if overlaps(topic, one)]
    for topic in ("homeassistant/device/wattline_meter_1/config", "homeassistant/status", "wattline/ha/w/m/state"):
        assert _may(roles[HOME_ASSISTANT], Act.RECEIVE, topic), topic
    assert _may(roles[BRIDGE], Act.RECEIVE, "homeassistant/sensor/plug/energy/config"), "it is proposed all the same"


def test_a_share_is_the_ingestors_and_control_the_gateways() -> None:
    """Who may take a share of the fleet's messages, and who may change logins."""
    roles = role_grants(Topics())
    shared = {role for role, grants in roles.items() if any("$share" in grant.topic for grant in grants)}
    control = {role for role, grants in roles.items() if any("$CONTROL" in grant.topic for grant in grants)}
    assert (shared, control) == ({"ingestor"}, {"gateway", ADMIN})
    assert not any(
        grant.topic == "#" for grants in roles.values() for grant in grants if grant.act is not Act.UNSUBSCRIBE
    )


def test_names_of_own_roles_and_the_root_are_found_again() -> None:
    """A device's own role names it, and the shared role tells the root."""
    assert device_of_role(own_role("pi-1")) == "pi-1"
    assert device_of_role("gateway") is None
    assert root_of(grant.topic for grant in every_device_grants(Topics("acme/v1"))) == "acme/v1"
    assert root_of(["acme/v1/devices/+/status"]) is None
