"""The benchmark of `sresnet verify` makes a report of copied runs that verifies and has the stated number of runs."""

from pathlib import Path

import pytest

from benchmarks.verify import report_of_copies
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from pipeline.verify.verify import verify
from tests.verify.made_report import make_root


def test_copies_of_a_run_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    make_root(checkout, monkeypatch)
    (checkout / "requirements.lock").symlink_to(ROOT / "requirements.lock")
    found = verify(report_of_copies(checkout, tmp_path / "copies", 3))
    assert found.breaks == []
    assert any(line.startswith("3 result(s) derived again from 27 predictions") for line in found.looked)


def test_a_checkout_without_a_finished_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("runs: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="no finished run digits-0; `sresnet use quick`"):
        report_of_copies(tmp_path, tmp_path / "copies", 3)
