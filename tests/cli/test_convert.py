"""`sresnet convert` reads params.yaml, and says what to put there afterwards."""

from pathlib import Path

import pytest

from pipeline.cli import convert
from pipeline.cli.command_line import main
from pipeline.ground.params import DatasetParams, DownloadParams
from tests.preprocess.conftest import raw
from tests.preprocess.made import PARAMS, TITLE
from tests.train.tiny import ONE

__all__ = ["raw"]


def test_it_says_where_the_shards_are(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = DatasetParams(download=DownloadParams(catalog="shards", source="later", title=TITLE), preprocess=PARAMS)
    monkeypatch.setattr(convert, "load_dataset", lambda _: dataset)
    monkeypatch.setattr(convert, "load_cluster", lambda: ONE)
    monkeypatch.chdir(tmp_path)
    main(["convert", "mine", "--from", str(raw), "--into", "shards"])
    said = capsys.readouterr().out
    (into,) = (tmp_path / "shards").glob("mine-*")
    assert "mine: train: 16 samples of 2 classes" in said
    assert said.splitlines()[-1] == (
        f'to train on it, set datasets.mine.download to {{catalog: shards, source: "{into}", title: "{TITLE}"}}'
    )
    with pytest.raises(SystemExit, match=r"error: --from ftp://host: expected an absolute path"):
        main(["convert", "mine", "--from", "ftp://host", "--into", "shards"])
