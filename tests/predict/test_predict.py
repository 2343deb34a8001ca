"""`sresnet predict` classifies files by the rules of the training, and names each one that it cannot read."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from models.sresnet import SResNet
from pipeline.cli.command_line import main
from pipeline.ground.params import WindowParams
from pipeline.preprocess.frames import to_frames
from pipeline.preprocess.recordings import read_recording
from tests.predict.networks import CLASSES, event_network, image_network
from tests.preprocess.made import error_of, record

Printed = pytest.CaptureFixture[str]


def likely(model: SResNet, values: torch.Tensor) -> list[float]:
    with torch.no_grad():
        return [float(one) for one in model(values[None].float())[0].softmax(0)]


def printed(capsys: Printed) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 8)) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_an_image_is_scaled_and_standardized(tmp_path: Path, capsys: Printed) -> None:
    model = image_network(tmp_path / "net")
    pixels = picture(tmp_path / "a.png", 0)
    main(["predict", str(tmp_path / "net"), str(tmp_path / "a.png"), "--json"])
    (found,) = printed(capsys)
    values = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - 0.5) / 0.25
    assert found["sample"] == str(tmp_path / "a.png")
    expected = likely(model, values)
    assert found["probabilities"] == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=1e-5)
    assert found["class"] == CLASSES[int(np.argmax(expected))]


def test_a_network_of_one_channel_gets_the_grey(tmp_path: Path, capsys: Printed) -> None:
    model = image_network(tmp_path / "net", channels=1)
    pixels = picture(tmp_path / "a.png", 1)
    grey = torch.from_numpy(pixels).double() @ torch.tensor([0.299, 0.587, 0.114]).double()
    main(["predict", str(tmp_path / "net"), str(tmp_path / "a.png"), "--json"])
    (found,) = printed(capsys)
    expected = likely(model, ((grey.round() / 255 - 0.5) / 0.25)[None])
    assert found["probabilities"] == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=0.02)


def test_a_recording_is_framed(tmp_path: Path, capsys: Printed) -> None:
    model = event_network(tmp_path / "net")
    record(tmp_path / "a.aedat", 0)
    frames = to_frames(read_recording(tmp_path / "a.aedat"), 3, 8).astype(np.float32) / 256
    main(["predict", str(tmp_path / "net" / "model.safetensors"), str(tmp_path / "a.aedat"), "--json"])
    (found,) = printed(capsys)
    expected = likely(model, torch.from_numpy(frames))
    assert found["probabilities"] == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=1e-5)


def test_each_window_is_a_sample(tmp_path: Path, capsys: Printed) -> None:
    event_network(tmp_path / "net", window=WindowParams(ms=10, min_events=1))
    record(tmp_path / "a.aedat", 0)  # 49.9 ms
    main(["predict", str(tmp_path / "net"), str(tmp_path / "a.aedat"), "--json"])
    names = [str(found["sample"]).rpartition("@")[2] for found in printed(capsys)]
    assert names == ["000000-000010ms", "000010-000020ms", "000020-000030ms", "000030-000040ms"]


def test_a_folder_in_lines(tmp_path: Path, capsys: Printed) -> None:
    image_network(tmp_path / "net")
    (tmp_path / "mine").mkdir()
    for seed in range(3):
        picture(tmp_path / "mine" / f"{seed}.png", seed)
    main(["predict", str(tmp_path / "net"), str(tmp_path / "mine")])
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == [str(tmp_path / f"mine/{n}.png") for n in range(3)]
    assert all(f"{name}: " in shown.out for name in CLASSES)
    assert "3 sample(s) of 3 file(s): " in shown.err


def test_a_wrong_file_does_not_stop_the_others(tmp_path: Path, capsys: Printed) -> None:
    image_network(tmp_path / "net")
    picture(tmp_path / "good.png", 0)
    picture(tmp_path / "large.png", 0, (9, 7))
    (tmp_path / "text.png").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    names = [str(tmp_path / name) for name in ("none.png", "large.png", "good.png", "text.png", "pipe.png", "x" * 5000)]
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(tmp_path / "net"), *names])
    said = str(ended.value).splitlines()
    assert said[0] == "error: 5 cannot be read:"
    assert said[1].endswith("x: cannot be read (file name too long)")  # when the folders are listed
    assert said[2].endswith("none.png: no such file or folder")
    assert said[3].endswith("large.png: 7 x 9 pixels, the network takes 8 x 8; crop or resize it")
    assert "text.png: not a complete image" in said[4]
    assert said[5].endswith("pipe.png: not a file")
    assert "good.png" in capsys.readouterr().out


def test_a_folder_without_images_is_named(tmp_path: Path, capsys: Printed) -> None:
    image_network(tmp_path / "net")
    for name in ("mine/a.png", "mine/sub/a.jpg", "mine/.hidden.png", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(tmp_path / name, 0) if name.endswith(("png", "jpg")) else (tmp_path / name).write_text("none")
    with pytest.raises(SystemExit, match=r"1 cannot be read:\n  .*empty: no images in this folder; expected \.png"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "empty"), str(tmp_path / "mine")])
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        str(tmp_path / name) for name in ("mine/a.png", "mine/sub/a.jpg")
    ]
    assert "left out in the folders: 1 .txt" in shown.err


def test_a_recording_of_another_sensor_is_refused(tmp_path: Path) -> None:
    event_network(tmp_path / "net")
    (tmp_path / "a.bin").write_bytes(bytes([3, 4, 0x80, 0, 1] * 50))  # N-MNIST: 34 x 34
    with pytest.raises(SystemExit, match=r"a sensor of 34 x 34 pixels, the network was trained on one of 128 x 128"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "a.bin")])


def test_a_recording_that_does_not_say_its_sensor_is_refused(tmp_path: Path) -> None:
    event_network(tmp_path / "net")
    np.savez(tmp_path / "a.npz", t=np.arange(9), x=np.arange(9), y=np.arange(9), p=np.arange(9) % 2)
    with pytest.raises(SystemExit, match="does not say how large its sensor is"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "a.npz")])


def test_a_table_has_what_the_lines_have(tmp_path: Path, capsys: Printed) -> None:
    image_network(tmp_path / "net")
    for seed in range(40):  # more than one batch
        picture(tmp_path / f"{seed:02}.png", seed)
    files = sorted(map(str, tmp_path.glob("*.png")))
    out = tmp_path / "predictions.parquet"
    main(["predict", str(tmp_path / "net"), *files, "--out", str(out), "--json"])
    found, table = printed(capsys), pq.read_table(out)
    assert table["sample"].to_pylist() == files == [one["sample"] for one in found]
    assert table["class"].to_pylist() == [one["class"] for one in found]
    likelies = np.array([list(one["probabilities"].values()) for one in found])  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.array(table["probabilities"].to_pylist()), likelies, rtol=1e-6)
    np.testing.assert_allclose(table["probability"].to_pylist(), likelies.max(1), rtol=1e-6)
    assert json.loads(table.schema.metadata[b"classes"]) == CLASSES


def test_names_from_standard_input(tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also names that are not UTF-8, and lines as Windows ends them."""
    image_network(tmp_path / "net")
    names = [os.fsencode(tmp_path / "a.png"), os.fsencode(tmp_path) + b"/\xe9.png"]
    for name in names:
        picture(Path(os.fsdecode(name)), 0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(names[0] + b"\r\n\n" + names[1]), "utf-8"))
    out = tmp_path / "predictions.parquet"
    main(["predict", str(tmp_path / "net"), "-", "--json", "--out", str(out)])
    expected = [str(tmp_path / "a.png"), str(tmp_path / r"\xe9.png")]
    assert [one["sample"] for one in printed(capsys)] == expected
    assert pq.read_table(out)["sample"].to_pylist() == expected


def test_a_table_needs_a_sample_and_a_file(tmp_path: Path) -> None:
    image_network(tmp_path / "net")
    picture(tmp_path / "large.png", 0, (9, 9))
    with pytest.raises(SystemExit, match=r"large\.png: 9 x 9 pixels"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "large.png"), "--out", str(tmp_path / "p.parquet")])
    with pytest.raises(SystemExit, match=r": a folder; name a file to write, such as .*predictions\.parquet"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "large.png"), "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.png", "net"]


def test_poisson_spikes_do_not_depend_on_the_files_before(tmp_path: Path, capsys: Printed) -> None:
    image_network(tmp_path / "net", encoding="poisson")
    files = [str(tmp_path / f"{seed}.png") for seed in range(3)]
    for seed, name in enumerate(files):
        picture(Path(name), seed)
    main(["predict", str(tmp_path / "net"), *files, "--json"])
    main(["predict", str(tmp_path / "net"), files[2], "--json"])
    found = printed(capsys)
    assert found[2] == found[3]


def test_logits_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    model = image_network(tmp_path / "net")
    with torch.no_grad():
        model.readout.linear.weight.fill_(1e38)
    model.save_pretrained(tmp_path / "net")
    picture(tmp_path / "a.png", 0)
    with pytest.raises(SystemExit, match=r"its logits for .*a\.png are not numbers"):
        main(["predict", str(tmp_path / "net"), str(tmp_path / "a.png")])


def test_another_file_is_not_taken_for_the_network_beside_it(tmp_path: Path) -> None:
    image_network(tmp_path)
    picture(tmp_path / "a.png", 0)
    (tmp_path / "other.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes())
    for name in ("a.png", "other.safetensors"):
        said = error_of(lambda: main_raises(["predict", str(tmp_path / name), "a.png"]))  # noqa: B023 (called at once)
        assert said.startswith(f"{tmp_path / name}: not a network; name a run, a folder with model.safetensors or that")


def test_an_unknown_network_is_named() -> None:
    said = error_of(lambda: main_raises(["predict", "cups-0", "a.png"]))
    assert said.startswith("cups-0: no such run, file or folder; trained here: ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda inputs: None, "does not say how a file becomes an input"),
        (lambda inputs: inputs | {"classes": ["cup"]}, "1 classes, but the network takes images of shape"),
        (lambda inputs: inputs | {"scale": "1"}, "inputs.scale"),
        (lambda inputs: inputs | {"kind": "frames"}, "sample_shape: [3, 8, 8] is not that of frames"),
        (lambda inputs: inputs | {"scale": 0.0}, "inputs.scale"),
        (lambda inputs: inputs | {"pixel_std": [0.0, 1.0, 1.0]}, "inputs.pixel_std"),
        (lambda inputs: inputs | {"pixel_mean": [0.5]}, "pixel_mean: has 1 value(s) and pixel_std 3"),
        (lambda inputs: inputs | {"classes": ["cup", "mug", "cup"]}, "3 classes, not all of different names"),
        (lambda inputs: inputs | {"sensor": [128, 128]}, "images with sensor [128, 128]"),
        (lambda inputs: inputs | {"sample_shape": [3, 100_000, 100_000]}, "samples of more than 268,435,456 values"),
        (
            lambda inputs: inputs | {"sample_shape": [4, 8, 8], "pixel_mean": [], "pixel_std": []},
            "images of 4 channels; only 1 (grey) and 3 are read",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_named(tmp_path: Path, change: object, reason: str) -> None:
    image_network(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["inputs"] = change(config["inputs"])  # type: ignore[operator]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert reason in error_of(lambda: main_raises(["predict", str(tmp_path), "a.png"]))


def test_frames_of_another_number_are_refused(tmp_path: Path) -> None:
    event_network(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["inputs"]["framing"]["num_frames"] = 10**9
    (tmp_path / "config.json").write_text(json.dumps(config))
    said = error_of(lambda: main_raises(["predict", str(tmp_path), "a.aedat"]))
    assert "into 1000000000 frames of 8 pixels, but says that a sample has the shape [3, 2, 8, 8]" in said


def main_raises(arguments: list[str]) -> None:
    """The command with its own error."""
    from pipeline.cli.predict import predict

    predict(arguments[1], arguments[2:], None, as_json=False)
