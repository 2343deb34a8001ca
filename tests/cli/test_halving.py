"""The rule of `sresnet sweep --halving`, on made-up histories; tests/stages/test_halving.py trains."""

import io
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.cli import halving, under_audit
from pipeline.cli.halving import Halving, best_first, check_comparable, halve, rungs
from pipeline.cli.sweep import SweepRun
from pipeline.cli.under_audit import runs_under_audit
from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, PROFILES
from pipeline.judge.claims import read_claims
from pipeline.judge.seal import SEAL, Seal
from pipeline.protocol.params import Params, load_params

EPOCHS = 8
CURVES = {
    "a": {0: [50, 60, 70, 71, 72, 73, 74, 75], 1: [52, 62, 72, 73, 74, 75, 76, 77]},
    "b": {0: [60, 70, 71, 72, 73, 74, 75, 76], 1: [50, 61, 74, 75, 76, 77, 78, 79]},
    "c": {0: [99, 10, 99, 99, 99, 99, 99, 99], 1: [10, 10, 99, 99, 99, 99, 99, 99]},
    "d": {0: [10, 9, 99, 99, 99, 99, 99, 99], 1: [10, 9, 99, 99, 99, 99, 99, 99]},
}
"""Validation accuracy after each epoch, by experiment and seed. After two epochs the means are 61, 65.5, 10, 9, and
after four 72, 73.5."""


def params_of(folder: Path, experiments: Mapping[str, Mapping[str, Any]], seeds: Sequence[int] = (0, 1)) -> Params:
    """Profile quick with these experiments on the digits, each with what differs in its training."""
    yaml = YAML(typ="safe")
    content = yaml.load((PROFILES / "quick.yaml").read_text(encoding="utf-8"))
    digits = content["experiments"]["digits"]
    usual = digits["training"] | {"epochs": EPOCHS, "validation_percent": 10}
    content["experiments"] = {
        name: deepcopy(digits | {"training": usual | changed}) for name, changed in experiments.items()
    }
    content["runs"] = {
        f"{name}-{seed}": {"experiment": name, "dataset": "digits", "seed": seed}
        for name in experiments
        for seed in seeds
    }
    text = io.StringIO()
    yaml.dump(content, text)
    (folder / "params.yaml").write_text(text.getvalue(), encoding="utf-8")
    return load_params(folder / "params.yaml")


@pytest.mark.parametrize(
    ("experiments", "epochs", "warmup", "expected"),
    [
        (2, 12, 0, [6, 12]),
        (3, 12, 0, [3, 6, 12]),
        (8, 12, 0, [2, 3, 6, 12]),
        (8, 12, 2, [3, 6, 12]),
        (8, 2, 0, [1, 2]),
        (2, 1, 0, [1]),
    ],
)
def test_a_rung_doubles_the_epochs(experiments: int, epochs: int, warmup: int, expected: list[int]) -> None:
    assert rungs(experiments, epochs, warmup) == expected


def test_equal_accuracies_are_decided_by_the_loss_then_by_the_order() -> None:
    scores = {"first": (50.0, -0.9), "low loss": (50.0, -0.4), "second": (50.0, -0.9), "best": (50.1, -2.0)}
    assert best_first(scores) == ["best", "low loss", "first", "second"]


class Trained:
    """Takes the place of trainings: their histories by run, as far as they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.epochs: dict[str, int] = {}
        self.asked: list[tuple[int, list[str]]] = []
        self.broken: set[str] = set()
        self.folder = folder
        monkeypatch.setattr(halving, "load_params", lambda: load_params(folder / "params.yaml"))
        monkeypatch.setattr(halving, "reproduce", lambda *targets: None)
        monkeypatch.setattr(halving, "do", self.do)
        monkeypatch.setattr(halving, "reason", lambda log: "broken on purpose")
        monkeypatch.setattr(Halving, "history", lambda _, run: self.history(run))

    def do(self, runs: Sequence[SweepRun], params: Params) -> None:
        self.asked.append((int(runs[0].command[-1]), [run.name for run in runs]))
        for run in runs:
            assert list(run.command[-3:-1]) == ["rung", run.name]
            run.ended, run.process = 1.0, type("Ended", (), {"returncode": int(run.name in self.broken)})()
            if run.name not in self.broken:
                self.epochs[run.name] = int(run.command[-1])

    def history(self, run: str) -> list[dict[str, float]]:
        name, _, seed = run.rpartition("-")
        curve = CURVES[name][int(seed)][: self.epochs.get(run, 0)]
        return [{"validation_accuracy": float(accuracy), "validation_loss": 1.0} for accuracy in curve]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    params_of(
        tmp_path, {name: {"learning_rate": rate} for name, rate in zip("abcd", (0.1, 0.2, 0.5, 1.0), strict=True)}
    )
    return Trained(monkeypatch, tmp_path)


def test_the_better_half_by_the_mean_over_seeds_goes_on(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    """c is best with seed 0 after one epoch, and d would be best in the end; neither decides."""
    halve()
    eight = [f"{name}-{seed}" for name in "abcd" for seed in (0, 1)]
    assert trained.asked == [(2, eight), (4, ["b-0", "b-1", "a-0", "a-1"]), (8, ["b-0", "b-1"])]
    lines = capsys.readouterr().out.splitlines()
    assert "after epoch 2 of 8: b 65.50 %, a 61.00 %, c 10.00 % stopped, d 9.00 % stopped" in lines
    place = lines.index("experiment     epochs  validation")
    assert [line.split() for line in lines[place + 1 : place + 5]] == [
        ["b", "8/8", "77.50", "%", "finished"],
        ["a", "4/8", "72.00", "%", "stopped"],
        ["c", "2/8", "10.00", "%", "stopped"],
        ["d", "2/8", "9.00", "%", "stopped"],
    ]
    assert lines[place + 6].startswith("32 of 64 epochs were not trained, about ")
    assert lines[-1].startswith("next: dvc repro evaluate@b-0 evaluate@b-1 ")


def test_a_second_command_trains_nothing_and_decides_the_same(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    halve()
    first, asked = capsys.readouterr().out.splitlines(), len(trained.asked)
    halve()
    second = capsys.readouterr().out.splitlines()
    assert len(trained.asked) == asked
    assert [line for line in second if " stopped" in line] == [line for line in first if " stopped" in line]
    assert any(line.startswith("32 of 64 epochs were not trained; it took 0 s") for line in second)


def test_after_an_interruption_what_is_trained_is_not_trained_again(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(runs: Sequence[SweepRun], params: Params) -> None:
        trained.do(runs[:3], params)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(halving, "do", interrupted)
        with pytest.raises(KeyboardInterrupt):
            halve()
    trained.asked.clear()
    halve()
    assert trained.asked[0] == (2, ["b-1", "c-0", "c-1", "d-0", "d-1"])
    assert trained.asked[-1] == (8, ["b-0", "b-1"])


def test_a_run_that_fails_stops_no_other(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained.broken = {"b-1"}
    with pytest.raises(InputError, match=r"^1 of 8 run\(s\) failed, see above\n  b-1: broken on purpose \(all of it: "):
        halve()
    assert trained.asked[1:] == [(4, ["a-0", "a-1", "c-0", "c-1"]), (8, ["c-0", "c-1"])]
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("b ")).split() == ["b", "0/8", "failed"]
    assert lines[-1].startswith("next: dvc repro evaluate@c-0 evaluate@c-1 ")


def test_if_all_fail_nothing_is_recommended(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained.broken = {f"{name}-0" for name in "abcd"}
    with pytest.raises(InputError, match=r"^4 of 8 run\(s\) failed"):
        halve()
    assert [epoch for epoch, _ in trained.asked] == [2]
    assert "next:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("experiments", "reason"),
    [
        ({"a": {}}, "runs: a is the only experiment"),
        ({"a": {"validation_percent": 0}, "b": {}}, r"a\.training\.validation_percent is 0.*set it.*\(a\)"),
        ({"a": {}, "b": {"validation_percent": 20}}, r"validation_percent of a is 10, and of b 20"),
        ({"a": {}, "b": {"epochs": 9}}, r"training\.epochs of a is 8, and of b 9"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    experiments: dict[str, dict[str, Any]], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason):
        check_comparable(params_of(tmp_path, experiments))


def test_each_experiment_needs_the_same_seeds(tmp_path: Path) -> None:
    params = params_of(tmp_path, {"a": {}, "b": {"learning_rate": 0.1}})
    del params.runs["b-1"]
    with pytest.raises(InputError, match=r"the list of seeds of a is \[0, 1\], and of b \[0\]"):
        check_comparable(params)


def test_runs_of_a_claim_are_refused_by_name() -> None:
    with pytest.raises(InputError) as refused:
        check_comparable(load_params(PROFILES / "quick.yaml"))
    assert str(refused.value).splitlines()[1:] == [
        "  digits-0 has the network and training of the claim digits-accuracy",
        "  digits-dvs-0 has the network and training of the claim digits-dvs-accuracy",
    ]


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_every_run_of_these_profiles_is_under_audit(profile: str) -> None:
    params = load_params(PROFILES / f"{profile}.yaml")
    assert runs_under_audit(params).keys() == params.runs.keys()


def test_what_a_claim_leaves_free_does_not_take_a_run_out_of_the_audit(tmp_path: Path) -> None:
    """The threads; not a split that is held out, with which no claim is judged."""
    claimed = {"epochs": 6, "validation_percent": 0}
    params = params_of(tmp_path, {"a": claimed | {"threads": 2}, "b": claimed | {"validation_percent": 10}}, (0,))
    assert list(runs_under_audit(params)) == ["a-0"]


def test_sealed_runs_are_refused_by_name_and_by_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = params_of(tmp_path, {"a": {}, "b": {"learning_rate": 0.1}, "c": {"learning_rate": 0.2}}, (0,))
    sealed = params.experiments["b"].model_dump(mode="json")
    seal = Seal(profile="quick", runs=["a-0"], experiments={"other": sealed}, rows={}, code="", claims={})
    (tmp_path / SEAL).parent.mkdir()
    (tmp_path / SEAL).write_bytes(seal.as_json())
    claims = read_claims(CLAIMS)
    monkeypatch.setattr(under_audit, "read_claims", lambda path: claims)
    assert runs_under_audit(params, tmp_path) == dict.fromkeys(["a-0", "b-0"], "is sealed in results/seal.json")
