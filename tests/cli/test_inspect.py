"""`sresnet inspect` describes recordings as they are, and names each one that cannot be read."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.command_line import main
from tests.preprocess.prophesee import address, dat
from tests.preprocess.written import HEADER2, aedat2, npz


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
    assert frames.endswith("8 of 12 events (frames: 8, size: 64): the centred 128 x 128 pixels, 2 x 2 summed")


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
    assert "no such file or folder; expected a recording (.aedat, " in str(stop.value.code)
