"""What `sresnet verify --again` computes with are the parameters as YAML writes them."""

from types import SimpleNamespace
from typing import Any

from pipeline.ground.paths import PROFILES
from pipeline.ground.yaml_file import read_yaml
from pipeline.verify.recompute import _params


def test_a_sensor_is_a_list_in_yaml() -> None:
    datasets = read_yaml(PROFILES / "quick.yaml")["datasets"]
    own: dict[str, Any] = {"download": {"catalog": "recordings", "source": "/data", "title": "Mine"}}
    own["preprocess"] = datasets["digits-dvs"]["preprocess"] | {"sensor": [346, 260], "window": None}
    report: Any = SimpleNamespace(params={"datasets": {"mine": own}})
    assert _params(report, "mine").preprocess.sensor == (346, 260)
