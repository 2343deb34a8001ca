"""The stated error rates hold in a smaller simulation, which is deterministic."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdict_rates import (
    TESTS,
    allowance,
    draw,
    false_outside,
    false_reproduced,
    made,
    main,
    of_shape,
    right,
    simulate,
)
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS, ROOT

BEGIN, END = "<!-- rates -->", "<!-- /rates -->"

RUNS = 1000


@pytest.fixture(scope="module")
def result() -> dict:
    return simulate(RUNS, TESTS[:2])


def test_errors_stay_within_their_bounds(result: dict) -> None:
    bound = 0.05 + allowance(RUNS) / 100
    for row in of_shape(result, "normal"):
        assert max(false_reproduced(row), false_outside(row)) <= bound, row
    for row in result["larger"]:
        assert max(row["rates"].get(name, 0.0) for name in ("REPRODUCED", "BELOW")) <= bound, row


def test_the_bounds_are_reached_and_the_verdicts_fall(result: dict) -> None:
    rows = of_shape(result, "normal")
    assert max(map(false_reproduced, rows)) > 0.03, "a test that never errs would never decide"
    assert max(right(row) for row in rows if row["difference"] == 0) > 0.8
    assert max(right(row) for row in rows if row["difference"] == -2) > 0.7


def test_the_seeds_that_are_needed_decide(result: dict) -> None:
    decided = [row["decided"] for row in result["seeds_needed"] if row["seeds"] is not None]
    assert len(decided) >= 6
    assert min(decided) >= 0.8


def test_a_spread_that_is_left_out_breaks_the_bound() -> None:
    """The simulation can tell: seeds that are taken for test samples alone give far more errors."""
    from pipeline.judge.equivalence import Goal, interval, interval_verdicts

    setting = made(TESTS[1], -1.0, 3.0, "normal", "shared")
    counts = draw(setting, RUNS, 1, np.random.default_rng(0))
    verdicts = interval_verdicts(
        *interval(counts, setting.samples), Goal(value=setting.value, margin=setting.margin, precision=0)
    )
    assert (verdicts == "BELOW").mean() > 0.15


@pytest.mark.parametrize(("shape", "noise"), [("normal", "shared"), ("normal", "apart"), ("beta", "shared")])
def test_simulated_seeds_have_the_spread_and_noise_that_are_stated(shape: str, noise: str) -> None:
    setting = made((400, 80.0, 5.0), 0.0, 2.0, shape, noise)
    counts = 100 * draw(setting, 40_000, 2, np.random.default_rng(1)) / 400
    binomial = (80 * 20 - 4) / 400  # points squared; the variance of seeds is taken out of p (1 - p)
    assert counts.mean() == pytest.approx(80, abs=0.05)
    assert counts.var(axis=0) == pytest.approx(4 + binomial, rel=0.05)
    together = np.cov(counts.T)[0, 1]
    assert together == pytest.approx(0 if noise == "apart" else binomial, abs=0.5)
    same = draw(replace(setting, sd=0.0, shape="normal", noise="shared"), 100, 3, np.random.default_rng(2))
    assert (same == same[:, :1]).all(), "without a spread the seeds agree on every sample"


def test_it_is_the_same_each_time_and_stands_between_the_marks(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        document, output = tmp_path / f"{name}.md", tmp_path / f"{name}.json"
        document.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", encoding="utf-8")
        main(["--runs", "20", "--output", str(output), "--document", str(document)])
        contents.append(document.read_text(encoding="utf-8") + output.read_text(encoding="utf-8"))
    assert contents[0] == contents[1]
    assert contents[0].startswith(f"Before.\n{BEGIN}\n20 experiments a setting")
    assert "old" not in contents[0]
    (tmp_path / "a.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(InputError, match="between them"):
        main(["--runs", "20", "--output", str(tmp_path / "c"), "--document", str(tmp_path / "a.md")])


def test_the_document_shows_the_committed_rates() -> None:
    from benchmarks.verdict_rates import tables

    committed = json.loads((RESULTS / "verdict-rates.json").read_text(encoding="utf-8"))
    assert committed["runs"] >= 10_000
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{tables(committed)}\n{END}" in text
    bound = 0.05 + allowance(committed["runs"]) / 100
    assert all(max(false_reproduced(row), false_outside(row)) <= bound for row in of_shape(committed, "normal"))
