"""A trained network as a folder, and on a hub (a local server that speaks its interface)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import SResNet
from models.pretrained import read_inputs
from tests.models.hub import local_hub
from tests.models.small import small_inputs, small_network

INPUTS = {"title": "Cups", "classes": ["cup", "mug", "jug"]}


def saved(folder: Path) -> SResNet:
    model = small_network().float().eval()
    model.inputs = INPUTS
    model.save_pretrained(folder)
    return model


def test_a_folder_gives_the_same_network(tmp_path: Path) -> None:
    model = saved(tmp_path / "cups")
    again = SResNet.from_pretrained(tmp_path / "cups")
    inputs = small_inputs(model).float()
    assert torch.equal(again(inputs), model(inputs))
    assert (again.inputs, again.config, again.training) == (INPUTS, model.config, False)
    assert "Trained on Cups. Licence of the data: unknown." in (tmp_path / "cups" / "README.md").read_text()
    assert sorted(path.name for path in (tmp_path / "cups").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_a_card_claims_nothing_that_is_not_known(tmp_path: Path) -> None:
    small_network().float().save_pretrained(tmp_path / "cups")
    card = (tmp_path / "cups" / "README.md").read_text()
    assert 'from_pretrained("cups")' in card
    assert "The training data are not recorded." in card
    assert "This card states no accuracy" in card
    assert "config.json" not in card


@pytest.mark.parametrize("broken", ["double", "nan"])
def test_what_could_not_be_read_back_is_not_saved(tmp_path: Path, broken: str) -> None:
    model = saved(tmp_path / "cups")
    before = {path.name: path.read_bytes() for path in (tmp_path / "cups").iterdir()}
    if broken == "double":
        model.double()
    else:
        model.readout.linear.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match=r"files hold float32|are NaN or infinite; such a network cannot be saved"):
        model.save_pretrained(tmp_path / "cups")
    with pytest.raises(ValueError, match=r"float32|NaN"):
        model.push_to_hub("someone/cups")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cups").iterdir()} == before


def test_a_save_that_fails_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = saved(tmp_path / "cups")
    before = {path.name: path.read_bytes() for path in (tmp_path / "cups").iterdir()}
    model.inputs = {"title": "Mugs"}

    def full(*given: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("models.pretrained.save_network", full)
    with pytest.raises(OSError, match="No space"):
        model.save_pretrained(tmp_path / "cups")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cups").iterdir()} == before


def test_the_folder_of_a_training_keeps_its_config(tmp_path: Path) -> None:
    (tmp_path / "history.csv").touch()
    with pytest.raises(ValueError, match=r"the folder of a training, whose config.json would be replaced"):
        saved(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_a_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    saved(tmp_path)
    for name in ("config.json", "README.md"):
        with (tmp_path / name).open("r+b") as file:
            file.truncate(1 << 30)
        with pytest.raises(ValueError, match=rf"{name}: larger than 16,777,216 bytes"):
            SResNet.from_pretrained(tmp_path)
        (tmp_path / name).unlink()


def test_a_card_that_somebody_wrote_stays(tmp_path: Path) -> None:
    saved(tmp_path / "one")
    (tmp_path / "one" / "README.md").write_text("# Mine\n")
    SResNet.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    assert (tmp_path / "two" / "README.md").read_text() == "# Mine\n"


def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "README.md").unlink()
    assert SResNet.from_pretrained(tmp_path).inputs is None


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"inputs": 3}'])
def test_a_damaged_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: .*fetch it again"):
        read_inputs(tmp_path / "config.json")


def test_neither_a_folder_nor_a_name_on_the_hub() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder; expected one with model\.safetensors, or user/name"):
        SResNet.from_pretrained("no/such/folder")


def test_a_folder_without_a_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}: no model\.safetensors there; expected"):
        SResNet.from_pretrained(tmp_path)


def test_the_hub_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="install huggingface_hub"):
        SResNet.from_pretrained("someone/cups")
    with pytest.raises(ImportError, match="install huggingface_hub"):
        small_network().push_to_hub("someone/cups")


def test_a_network_goes_to_a_hub_and_comes_back(tmp_path: Path) -> None:
    """In a process of its own, because huggingface_hub reads the hub's address when it is imported."""
    model = saved(tmp_path / "cups")
    torch.save(small_inputs(model).float(), tmp_path / "inputs.pt")
    script = (
        "import torch; from models import SResNet; model = SResNet.from_pretrained('cups');"
        "model.card = None; print(model.push_to_hub('someone/cups', token='hf_test'));"
        "torch.save(SResNet.from_pretrained('someone/cups', token='hf_test')(torch.load('inputs.pt')), 'logits.pt')\n"
        "try: SResNet.from_pretrained('someone/mugs', token='hf_test')\n"
        "except FileNotFoundError as error: print(error)"
    )
    with local_hub() as hub:
        environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        root = str(Path(__file__).resolve().parents[2])
        ended = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={"PYTHONPATH": root, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert "someone/cups/commit/" in ended.stdout
        assert "someone/mugs: no such folder, and the hub does not give it (" in ended.stdout
        assert set(hub.files["someone/cups"]) == {"model.safetensors", "config.json", "README.md"}
        assert b'from_pretrained("someone/cups")' in hub.files["someone/cups"]["README.md"]
        assert json.loads(hub.files["someone/cups"]["config.json"])["inputs"] == INPUTS
    assert torch.equal(torch.load(tmp_path / "logits.pt"), model(small_inputs(model).float()))
