"""`sresnet inspect` describes recordings as they are, and names each one that cannot be read."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import inspect
from pipeline.cli.command_line import main
from pipeline.ground.params import load_dataset
from tests.preprocess.aedat4 import aedat4_of_streams
from tests.preprocess.hdf5_files import m3ed
from tests.preprocess.prophesee import address, dat
from tests.preprocess.test_parquet_events import columns, write
from tests.preprocess.written import HEADER2, aedat2, nmnist, npz


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """100 events in 99 ms, three in four of polarity 1, and one address of no pixel."""
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2(*((k % 128 << 1 | (k % 4 > 0), 1000 * k) for k in range(100)), (0x8000, 5)))
    return path


def test_a_recording_in_lines(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(recording)])
    file, sensor, events, duration, rate, left_out, frames = capsys.readouterr().out.splitlines()
    assert file == str(recording)
    assert (sensor.split(), events.split()[:2]) == (["sensor", "128", "x", "128", "pixels"], ["events", "100,"])
    assert events.endswith("75.0 % of polarity 1")
    assert duration == "  duration    0.099 s"
    assert rate.endswith("events/s")
    assert left_out.strip() == "1 events left out: of no pixel (bit 15 of the address)"
    framed = "8 of 12 events, the last of 16 (frames: 8, size: 64): the centred 128 x 128 pixels, 2 x 2 summed"
    assert frames.endswith(framed)


def test_a_recording_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "--json", str(recording)])
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["events"], found["seconds"], found["on_percent"]) == (128, 100, 0.099, 75.0)
    assert sum(found["rates"]) * 0.099 / len(found["rates"]) == pytest.approx(100, rel=1e-3)


def test_a_picture_of_its_frames(recording: Path, tmp_path: Path) -> None:
    main(["inspect", str(recording), "--png", str(tmp_path / "a.png"), "--frames", "4", "--size", "32"])
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (4 * 32 + 3 * 2, 32)
        assert np.asarray(picture)[..., 3].any()


def test_a_folder_by_class_with_every_bad_file_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {
        "cup/1.aedat": aedat2((1, 0), (1, 2_000_000)),
        "cup/2.aedat": HEADER2 + b"123",
        "pen/1.dat": dat((0, address(1, 2, 1)), (1_000_000, address(3, 4, 0))),
        "pen/note.txt": b"x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(tmp_path)])
    out, err = capsys.readouterr()
    cup, pen, _ = out.splitlines()
    assert cup == "cup       1 recordings  128 x 128  events 2 / 2 / 2  seconds 2.00 / 2.00 / 2.00"
    assert "640 x 480" in pen
    assert err.splitlines()[-1] == "1 other file(s): .txt"
    assert str(stop.value.code).startswith("error: 1 of 3 recordings cannot be read:\n  cup/2.aedat: byte ")


def test_a_reason_that_files_share_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1.npz", "2.npz"):
        (tmp_path / name).write_bytes(npz(t=[1], x=[345], y=[0], p=[1]))
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(tmp_path)])
    first, reason, *files = str(stop.value.code).splitlines()
    assert first == "error: 2 of 2 recordings cannot be read:"
    assert reason.startswith("  byte 0: the file does not say how large its sensor is; ")
    assert files == ["    1.npz", "    2.npz"]
    assert capsys.readouterr().out == ""


def test_the_sensor_can_be_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(npz(t=[1], x=[345], y=[0], p=[1]))
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(path)])
    assert "does not say how large its sensor is" in str(stop.value.code)
    main(["inspect", str(path), "--sensor", "346", "260"])
    assert "346 x 260" in capsys.readouterr().out


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(tmp_path / "no")])
    assert "no such file, folder or dataset; expected a recording (.aedat, " in str(stop.value.code)


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """digits-dvs of params.yaml, of which data/raw has two cameras' recordings, and N-Caltech101 under another name."""
    monkeypatch.setattr(inspect, "raw", lambda name: tmp_path / "raw" / name)
    monkeypatch.setattr(inspect, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setattr(inspect, "load_dataset", lambda name: load_dataset(name, tmp_path / "params.yaml"))
    preprocess = "split: every-fifth-tests, shards: 4, frames: 8, size: 64, compression: none, window: null"
    (tmp_path / "params.yaml").write_text(
        "datasets:\n  stereo:\n    download: {catalog: recordings, source: /a}\n"
        f"    preprocess: {{{preprocess}, stream: prophesee/right}}\n"
    )
    for name, catalog, file, content in (
        ("stereo", "recordings", "cup/1.h5", m3ed(left=[(1, 2, 3, 0)], right=[(1, 2, 3, 0), (5, 6, 7, 1)])),
        ("caltech", "ncaltech101", "chair/image_0001.bin", nmnist((239, 179, 1, 5))),
    ):
        (tmp_path / "raw" / name / file).parent.mkdir(parents=True)
        (tmp_path / "raw" / name / file).write_bytes(content)
        source = {"catalog": catalog, "title": None, "files": {}}
        (tmp_path / "raw" / name / "SOURCE.json").write_text(json.dumps(source))


@pytest.mark.usefixtures("datasets")
def test_a_dataset_is_described_with_what_params_yaml_and_the_catalog_say(capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "stereo"])
    assert capsys.readouterr().out.startswith("cup  ")
    main(["inspect", "stereo", "--json"])
    assert json.loads(capsys.readouterr().out)["events"] == 2
    main(["inspect", "stereo", "--json", "--stream", "prophesee/left"])
    assert json.loads(capsys.readouterr().out)["events"] == 1
    for name in ("caltech", "ncaltech101"):
        main(["inspect", name, "--json"])
        found = json.loads(capsys.readouterr().out)
        assert (found["file"], found["width"], found["height"]) == ("chair/image_0001.bin", 240, 180)


@pytest.mark.usefixtures("datasets")
def test_a_dataset_that_is_not_downloaded_is_an_error_with_those_that_are() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["inspect", "nmnist"])
    assert str(stop.value.code).endswith("or a dataset that is in data/raw (caltech, stereo)")


def test_rows_of_parquet_files_are_described_and_a_wrong_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train-0.parquet", columns([[(1, 2, 3, 0)], [(1, 64, 3, 0)]]), [0, 1])
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(tmp_path), "--sensor", "64", "64"])
    assert capsys.readouterr().out.startswith("train-0.parquet       1 recordings  64 x 64  events 1 / 1 / 1")
    assert "train-0.parquet: row 1: event 0: x 64, y 3, polarity 0 is outside the sensor" in str(stop.value.code)


def test_the_stream_can_be_stated_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.aedat4"
    path.write_bytes(aedat4_of_streams([("left", [(1, 2, 3, 0)]), ("right", [(1, 2, 3, 0)] * 2)], width=128, height=9))
    main(["inspect", str(path), "--json", "--stream", "1"])
    assert json.loads(capsys.readouterr().out)["events"] == 2
