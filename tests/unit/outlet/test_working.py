"""What /metrics says of the outlet's outputs before and after they can give."""

from outlet.service import Outlet
from outlet.settings import LinesSettings, OutletSettings, SparkplugSettings

DSN = "postgresql://wattline_outlet@127.0.0.1/wattline"


async def test_each_output_that_is_on_says_whether_it_works() -> None:
    """As /healthz does: one without its broker does not; what is off is not shown."""
    settings = OutletSettings(
        database_dsn=DSN,  # type: ignore[arg-type]
        lines=LinesSettings(url="http://127.0.0.1:9/write"),
        sparkplug=SparkplugSettings(enabled=True),
    )
    registry = Outlet(settings).metrics.registry
    found = {
        output: registry.get_sample_value("wattline_outlet_working", {"output": output})
        for output in ("lines", "sparkplug", "home_assistant")
    }
    assert found == {"lines": 1.0, "sparkplug": 0.0, "home_assistant": None}
    refused = registry.get_sample_value("wattline_outlet_publish_refused_total", {"output": "sparkplug"})
    assert refused == 0.0, "a first refusal would be no rise"
