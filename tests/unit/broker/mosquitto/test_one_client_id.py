"""Logins of people and of others' systems: one client id, their own, so that none takes a service's session."""

import pytest

from broker.mosquitto.installation import login_of


@pytest.mark.parametrize("role", ["engineer", "monitor", "home-assistant", "sparkplug-host"])
def test_who_is_no_service_has_its_name_for_a_client_id(role: str) -> None:
    """A Home Assistant that called itself wattline-ingestor would push the ingestor out of the broker."""
    assert login_of(role).client_id == role
    assert login_of("wattline-anna", role).client_id == "wattline-anna"


@pytest.mark.parametrize("role", ["ingestor", "gateway", "outlet"])
def test_a_service_has_several_of_its_own_choice(role: str) -> None:
    """Two ingestors of a group log in as one user."""
    assert login_of(role).client_id is None
