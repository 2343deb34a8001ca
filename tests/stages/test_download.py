"""The stage `download`: data/raw/<dataset> is complete or does not exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.ground import lifetime, paths, stage
from pipeline.ground.params import DatasetParams, DownloadParams, PreprocessParams
from pipeline.ground.paths import ROOT
from stages import download

PREPROCESS = PreprocessParams(
    split="every-fifth-tests", shards=1, frames=None, size=None, compression="none", window=None
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository's data and records, in a temporary folder."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    for module in (stage, lifetime):
        monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    for name in ("dvc.yaml", "params.yaml", "models", "pipeline", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)


def run(monkeypatch: pytest.MonkeyPatch, dataset: str, params: DownloadParams) -> None:
    monkeypatch.setattr(download, "load_dataset", lambda name: DatasetParams(download=params, preprocess=PREPROCESS))
    monkeypatch.setattr(sys, "argv", ["stages.download", dataset])
    download.main()


def test_the_digits_replace_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "raw" / "digits" / "old").mkdir(parents=True)
    digits = DownloadParams(catalog="digits", source=None)
    run(monkeypatch, "digits", digits)
    first = {path.name: path.read_bytes() for path in (tmp_path / "data" / "raw" / "digits").iterdir()}
    assert sorted(first) == ["SOURCE.json", "digits.csv.gz"]
    run(monkeypatch, "digits", digits)
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "raw" / "digits").iterdir()} == first
    assert (tmp_path / "records" / "download@digits.json").is_file()


def test_an_error_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "mine", DownloadParams(catalog="recordings", source="/no/such/folder"))
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "error: download@mine: datasets.mine.download.source: /no/such/folder is not a folder on this machine\n"
    )
    assert not (tmp_path / "data" / "raw").exists()
    assert not (tmp_path / "records").exists()
    assert not (tmp_path / "runs" / "stages").exists()


def test_help_names_the_argument_and_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys, runpy, contextlib\n"
        "sys.argv = ['download', '--help']\n"
        "with contextlib.suppress(SystemExit): runpy.run_module('stages.download', run_name='__main__')\n"
        "print(sorted({'torch', 'ray', 'tonic', 'pandas', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert "DATASET" in done.stdout
    assert done.stdout.endswith("[]\n")
