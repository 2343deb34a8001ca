"""Exported networks, run by other programs, give the logits of ours; what a format cannot say is named."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch

from models.sresnet import SResNet
from pipeline.cli.command_line import main
from pipeline.export import check
from pipeline.export.card import card
from pipeline.export.nir_graph import unsayable, write_nir
from pipeline.export.nir_run import by_nirtorch
from pipeline.predict.network import trained_network
from tests.predict.networks import event_network, image_network
from tests.predict.test_predict import picture
from tests.preprocess.made import record
from tests.train.tiny import write_split

NIR = {"reset": "zero", "normalization": "bn"}
pytestmark = pytest.mark.filterwarnings("ignore:the fused kernels support only", "ignore::DeprecationWarning")


def exported(tmp_path: Path, to: str, *, frames: bool = False, **parts: Any) -> tuple[SResNet, Path]:
    """A network, and the folder of its export."""
    if frames:
        model = event_network(tmp_path / "net", **parts)
        record(tmp_path / "a.aedat", 0)
        samples = [str(tmp_path / "a.aedat")]
    else:
        model = image_network(tmp_path / "net", **parts)
        samples = [str(tmp_path / f"{seed}.png") for seed in range(3)]
        for seed, name in enumerate(samples):
            picture(Path(name), seed)
    main(["export", str(tmp_path / "net"), *samples, "--to", to, "--out", str(tmp_path / "out")])
    return model, tmp_path / "out"


def inputs_of(model: SResNet) -> torch.Tensor:
    steps = (model.config.time_steps,) if model.frames else ()
    return torch.rand(5, *steps, *model.input_shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "parts",
    [{}, {"frames": True}, {"normalization": "tebn", "shortcut": "membrane", "readout": "maximum-voltage"}],
    ids=str,
)
def test_onnx(tmp_path: Path, parts: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    model, folder = exported(tmp_path, "onnx", **parts)
    inputs = inputs_of(model)
    ours = check.our_logits(model, inputs)
    np.testing.assert_allclose(check.by_onnxruntime(folder / "window.onnx", inputs), ours, atol=1e-5)
    stepped = check.by_onnxruntime_stepped(folder / "step.onnx", model, check.steps_of(model, inputs))
    np.testing.assert_allclose(stepped, ours, atol=1e-5)
    assert "step.onnx: onnxruntime" in capsys.readouterr().out
    assert "| window.onnx | onnxruntime " in (folder / "README.md").read_text()


def test_onnx_runs_where_there_is_no_torch(tmp_path: Path) -> None:
    """In a process that cannot import torch, by the lines of the export's card."""
    model, folder = exported(tmp_path, "onnx")
    inputs = inputs_of(model)
    np.save(tmp_path / "inputs.npy", inputs.numpy())
    card = (folder / "README.md").read_text()
    lines = card.split("```python\n")[1].split("```")[0]
    before = "import sys; sys.modules['torch'] = None; import numpy; samples = numpy.load(sys.argv[1])"
    after = "numpy.save(sys.argv[2], logits); assert sys.modules['torch'] is None"
    files = [str(tmp_path / name) for name in ("inputs.npy", "logits.npy")]
    subprocess.run([sys.executable, "-c", "\n".join([before, lines, after]), *files], check=True, cwd=folder)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), check.our_logits(model, inputs), atol=1e-5)


def test_poisson_has_only_the_step(tmp_path: Path) -> None:
    _, folder = exported(tmp_path, "onnx", encoding="poisson")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "step.onnx"]


def test_a_program_of_torch(tmp_path: Path) -> None:
    model, folder = exported(tmp_path, "torch", frames=True)
    inputs = inputs_of(model)
    theirs = check.by_torch_export(folder / "window.pt2", inputs)
    np.testing.assert_allclose(theirs, check.our_logits(model, inputs), atol=1e-5)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"frames": True, "blocks": 2},
        {"shortcut": "vanilla", "normalization": "tdbn"},
        {"shortcut": "membrane", "readout": "boosting"},
        {"shortcut": "none", "normalization": "none", "leak": 1.0},
        {"leak_trained": "channel", "downsampling": "spiking"},
    ],
    ids=str,
)
def test_nir(tmp_path: Path, parts: dict[str, Any]) -> None:
    model, folder = exported(tmp_path, "nir", **{**NIR, **parts})
    inputs = inputs_of(model)
    theirs = by_nirtorch(folder / "network.nir", check.steps_of(model, inputs))
    np.testing.assert_allclose(theirs, check.our_logits(model, inputs), atol=1e-5)


def test_nir_has_the_neurons_of_the_network(tmp_path: Path) -> None:
    """leak 0.8744 in steps of 0.1 ms: tau = 0.1 ms / 0.1256."""
    _, folder = exported(tmp_path, "nir", **NIR)
    neurons = nir.read(folder / "network.nir").nodes["stem_neurons"]
    np.testing.assert_allclose(neurons.tau, 1e-4 / 0.1256, rtol=1e-5)
    np.testing.assert_allclose(neurons.r, 1 / 0.1256, rtol=1e-5)
    assert (set(neurons.v_threshold.flat), set(neurons.v_reset.flat)) == ({1.0}, {0.0})


def test_a_leak_that_was_trained_to_1(tmp_path: Path) -> None:
    """It is an integrator: nearly infinite time constant, and 1 unit of voltage per unit of current and step."""
    model = image_network(tmp_path / "net", leak_trained="channel", **NIR)
    with torch.no_grad():
        model.stem.neurons.leak_logit[0] = 50.0  # type: ignore[union-attr,index]
    write_nir(model, tmp_path / "network.nir")
    neurons = nir.read(tmp_path / "network.nir").nodes["stem_neurons"]
    np.testing.assert_allclose((1e-4 * neurons.r / neurons.tau), 1.0, rtol=1e-5)
    inputs = inputs_of(model)
    theirs = by_nirtorch(tmp_path / "network.nir", check.steps_of(model, inputs))
    np.testing.assert_allclose(theirs, check.our_logits(model, inputs), atol=1e-5)


def test_every_part_that_nir_cannot_say_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        exported(tmp_path, "nir", readout="last-voltage")
    said = str(ended.value)
    assert "reset subtract (only zero)" in said
    assert "normalization bntt (only bn, tdbn, none)" in said
    assert "readout last-voltage (only mean-voltage, boosting)" in said
    assert not (tmp_path / "out").exists()


def test_a_refused_export_leaves_no_folder(tmp_path: Path) -> None:
    image_network(tmp_path / "net")
    picture(tmp_path / "0.png", 0)
    with pytest.raises(SystemExit, match="cannot be exported to nir"):
        main(
            [
                "export",
                str(tmp_path / "net"),
                str(tmp_path / "0.png"),
                "--to",
                "nir",
                "--out",
                str(tmp_path / "a" / "b" / "c"),
            ]
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "net"]


def test_the_authors_network_cannot_be_said_in_nir(tmp_path: Path) -> None:
    assert len(unsayable(image_network(tmp_path).config)) == 2


@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_bfloat16_is_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(SystemExit, match="precision bfloat16 cannot be computed step by step"):
        exported(tmp_path, to, precision="bfloat16")
    assert not (tmp_path / "out").exists()


def test_another_class_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = check.by_onnxruntime
    monkeypatch.setattr("pipeline.export.write.by_onnxruntime", lambda *given: -right(*given))
    with pytest.raises(SystemExit, match=r"window\.onnx: onnxruntime .* gives another class for 3 of 3 samples"):
        exported(tmp_path, "onnx")
    assert not (tmp_path / "out").exists()


def test_differences_are_counted() -> None:
    ours = np.array([[1, 0], [0, 1], [2, 1]], np.float32)
    theirs = ours + np.array([[0, 0], [0, 1e-6], [1e-3, 0]], np.float32)
    found = check.compared(Path("a.onnx"), "other", ours, theirs)
    assert (found.samples, found.close, round(found.largest, 4)) == (3, 2, 0.001)


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    _, out = exported(tmp_path, "nir", **NIR)
    main(["export", str(tmp_path / "net"), str(tmp_path / "0.png"), "--to", "nir", "--out", str(out)])  # an export is
    for name in ("mine/thesis.txt", "only/README.md", "file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("precious")
        into = tmp_path / name.split("/")[0]
        with pytest.raises(SystemExit, match="exists and is not an earlier export; name another folder with --out"):
            main(["export", str(tmp_path / "net"), str(tmp_path / "0.png"), "--to", "nir", "--out", str(into)])
        assert (tmp_path / name).read_text() == "precious"


def test_a_card_says_how_the_steps_are_encoded(tmp_path: Path) -> None:
    image_network(tmp_path, encoding="latency", readout="maximum-voltage")
    said = card(trained_network(str(tmp_path)), "onnx", [])
    assert "for `step.onnx` make them first: sign(x) at the time step" in said
    assert "| [3] | -inf |" in said


def test_without_samples_it_says_how_to_name_some(tmp_path: Path) -> None:
    image_network(tmp_path / "net")
    with pytest.raises(SystemExit, match=r"its test samples are not here .* name some files to check the export with"):
        main(["export", str(tmp_path / "net")])


def test_samples_of_the_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_network(tmp_path / "net", channels=1)
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    (tmp_path / "net" / "config.json").write_text(json.dumps(config | {"dataset": "tiny"}))
    write_split(tmp_path / "tiny", "test", "images", 13)
    monkeypatch.setattr("pipeline.cli.export.arrow", lambda dataset: tmp_path / dataset)
    main(["export", str(tmp_path / "net"), "--to", "torch", "--out", str(tmp_path / "out")])
    assert " | 13 | 13 | " in (tmp_path / "out" / "README.md").read_text()

    write_split(tmp_path / "tiny", "test", "frames", 13)
    with pytest.raises(SystemExit, match=r"takes samples of shape \[1, .* but those of Tiny have \[2, 2, 8"):
        main(["export", str(tmp_path / "net"), "--to", "torch", "--out", str(tmp_path / "out")])
