"""The page of many runs of the paper's size stays small, and marks every run as made up."""

from pathlib import Path

import pytest

from benchmarks.many_runs import NOTE, made_record, page_of
from benchmarks.page import main
from pipeline.ground.errors import InputError


def test_two_hundred_runs_stay_under_ten_megabytes(tmp_path: Path) -> None:
    """By what fifteen more runs add: three experiments, one of them of 100 classes, as among two hundred."""
    pages = {runs: page_of(tmp_path / str(runs), runs) for runs in (15, 30)}
    few, more = (page.stat().st_size for page in pages.values())
    assert more + 170 / 15 * (more - few) < 10_000_000
    text = pages[15].read_text(encoding="utf-8")
    assert text.count('<details class="run"') == 15
    assert f"{NOTE}.</li>" in text
    assert text.count("NOT COMPARABLE</span>") == 0, "a made-up run stands beside no claim"


@pytest.mark.parametrize("run", [0, 5])
def test_counts_agree_with_each_other(run: int) -> None:
    record = made_record(run)
    test, classes = record.test, len(record.dataset["classes"])
    assert classes == (100 if run else 10)
    assert sum(map(sum, test["confusion"])) == test["samples"]
    assert test["correct"] == test["correct_by_step"][-1] == sum(test["class_correct"])
    assert test["top1_low"] < test["top1_percent"] < test["top1_high"]


def test_without_a_browser_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no browser is installed; expected one of chromium"):
        main(["--runs=1", "--rounds=1", f"--output={tmp_path / 'b.json'}"])
