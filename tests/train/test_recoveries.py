"""The record of recoveries: counts by cause, across drivers, and a damaged line."""

from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.train.recoveries import after_recoveries, note_recovery, recoveries


def test_each_cause_has_its_count(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert recoveries(log) == {"failure": 0, "preemption": 0}
    assert after_recoveries(log) == ""
    note_recovery(log, "preemption", "left 10.0.0.3")
    note_recovery(log, "failure", "workers died")
    note_recovery(log, "preemption", "left 10.0.0.4")
    assert recoveries(log) == {"failure": 1, "preemption": 2}
    assert after_recoveries(log) == "; recovered from 1 failure(s) and 2 preemption(s)"
    said = [line.split("  ", 1)[1] for line in log.read_text(encoding="utf-8").splitlines()]
    assert said == ["left 10.0.0.3", "workers died", "left 10.0.0.4"]


@pytest.mark.parametrize("line", ['{"cause": "fail', "[]", "{}"])
def test_a_damaged_line_is_one_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "recoveries.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=r"recoveries\.jsonl: a line is damaged; .*: remove that line or the file"):
        recoveries(tmp_path / "log.txt")
