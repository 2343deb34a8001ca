"""Each part's step is timed together with the base's step, on the data that exist."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import study
from pipeline.cli import preprocessed
from pipeline.cli.split_sizes import SplitSize
from pipeline.ground import paths
from pipeline.protocol import params
from tests.train.tiny import NETWORK, TRAINING


def test_parts_stand_beside_the_base_of_their_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digits are known without their shards; the profile's own data are not, and are named."""
    monkeypatch.setattr(preprocessed, "arrow", lambda name: tmp_path / name)
    monkeypatch.setattr(study, "split_size", lambda *_: SplitSize(30, (1, 8, 8), 3))
    profile = params.load_params(paths.PROFILES / "study.yaml")
    few = {"base": NETWORK, "bn": replace(NETWORK, normalization="bn")}
    experiments = {
        f"study-digits-{part}": profile.experiments["study-digits-base"].model_copy(
            update={"model": network, "training": TRAINING}
        )
        for part, network in few.items()
    }
    of_runs = {name: run for name, run in profile.runs.items() if run.dataset in ("digits", "nmnist-small")}
    small = profile.model_copy(
        update={
            "experiments": experiments,
            "runs": of_runs,
            "datasets": {name: profile.datasets[name] for name in ("digits", "nmnist-small")},
        }
    )
    monkeypatch.setattr(params, "load_params", lambda *_: small)
    study.main(["--rounds", "2", "--output", str(tmp_path / "seconds.json")])
    result = json.loads((tmp_path / "seconds.json").read_text(encoding="utf-8"))
    assert list(result["datasets"]) == ["digits"]
    ratio = result["datasets"]["digits"]["ratios"]["bn"]
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert "left out, since they are not preprocessed: nmnist-small" in capsys.readouterr().out
