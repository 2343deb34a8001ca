"""Measures of a running training on Ray's metrics endpoint, as ray_sresnet_<name>, by run.

`cluster/grafana.json` shows them. Ray exports them where `ray[default]` is installed, and drops those of an ended
process.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pipeline.train.progress import GAUGES, ProgressReport

RECOVERIES = "recoveries"


def set_gauges(message: str | ProgressReport, run: str, recovered: Mapping[str, int]) -> None:
    """Exports the numbers of a report, and how often the training recovered, by cause.

    All of them each time: Ray shows a value for some seconds only after it was set.
    """
    if isinstance(message, ProgressReport):
        for field in GAUGES:
            gauges()[field].set(getattr(message, field), tags={"run": run})
        for cause, number in recovered.items():
            gauges()[RECOVERIES].set(number, tags={"run": run, "cause": cause})


@cache
def gauges() -> dict[str, Any]:
    """The gauges by name; the first call registers them with Ray."""
    from ray.util.metrics import Gauge  # Ray takes seconds to import

    made = {field: Gauge(f"sresnet_{field}", text, tag_keys=("run",)) for field, text in GAUGES.items()}
    text = "Times that the training recovered, since it began"
    return made | {RECOVERIES: Gauge(f"sresnet_{RECOVERIES}", text, tag_keys=("run", "cause"))}
