"""How far a replica is behind, told from log positions and one clock."""

from gateway.api.reads import Lag


def test_a_replica_is_behind_since_what_it_lacks_was_written() -> None:
    """The lag is the age of the oldest position that is not replayed; one that has all is not behind, however quiet."""
    lag = Lag()
    assert lag.behind_s(0.0, 0) == 0.0
    for second in range(10):
        lag.written(float(second), 100 * second)
    assert lag.behind_s(9.5, 350) == 5.5
    assert lag.behind_s(9.5, 899) == 0.5
    assert lag.behind_s(9.5, 900) == 0.0
    assert lag.behind_s(500.0, 900) == 0.0
