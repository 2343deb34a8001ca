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
    assert "trained on Cups" in (tmp_path / "cups" / "README.md").read_text()


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
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
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
        "print(model.push_to_hub('someone/cups', token='hf_test'));"
        "torch.save(SResNet.from_pretrained('someone/cups', token='hf_test')(torch.load('inputs.pt')), 'logits.pt')"
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
        assert "someone/cups" in ended.stdout
        assert set(hub.files["someone/cups"]) == {"model.safetensors", "config.json", "README.md"}
        assert json.loads(hub.files["someone/cups"]["config.json"])["inputs"] == INPUTS
    assert torch.equal(torch.load(tmp_path / "logits.pt"), model(small_inputs(model).float()))
