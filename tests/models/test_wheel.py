"""The wheel `sresnet` holds the network alone, and works without this repository and without what it need not have."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
sys.modules.update(dict.fromkeys(("models", "pipeline", "numba", "triton", "huggingface_hub")))  # cannot be imported
import torch
from sresnet import NetworkConfig, SResNet
from sresnet.stepwise import StepNetwork
network = SResNet.from_pretrained(sys.argv[1])
inputs = torch.rand(2, *network.input_shape, generator=torch.Generator().manual_seed(0))
torch.save((network(inputs), network.features(inputs).embedding), "seen.pt")
network.save_pretrained("again")
assert torch.equal(SResNet.from_pretrained("again")(inputs), network(inputs))
assert isinstance(network.config, NetworkConfig) and StepNetwork(network)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel, as `make wheel` builds it, in a folder of their own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--offline",
        "--out-dir",
        str(folder),
        "wheel",
    ]
    environment = {
        **os.environ,
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run(build, check=True, cwd=ROOT, env=environment)
    (wheel,) = folder.glob("sresnet-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_it_holds_the_network_alone(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"sresnet"}
    ours = {path.relative_to(ROOT / "models").as_posix() for path in (ROOT / "models").rglob("*.py")}
    assert {path.relative_to(installed / "sresnet").as_posix() for path in installed.rglob("*.py")} == ours


def test_it_needs_only_torch_and_what_writes_a_file(installed: Path) -> None:
    """Without numpy, safetensors reads tensors but cannot write one."""
    (metadata,) = installed.glob("*.dist-info/METADATA")
    needs = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist") and ";" not in line]
    assert sorted(line.split()[1].split(">")[0] for line in needs) == ["numpy", "safetensors", "torch"]


def test_it_computes_what_the_repository_computes(installed: Path, tmp_path: Path) -> None:
    import torch

    from models import SResNet
    from tests.models.small import small_network

    small_network().float().save_pretrained(tmp_path / "net")
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path / "net")]
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)})
    network = SResNet.from_pretrained(tmp_path / "net")
    inputs = torch.rand(2, *network.input_shape, generator=torch.Generator().manual_seed(0))
    logits, embedding = torch.load(tmp_path / "seen.pt")
    torch.testing.assert_close(logits, network(inputs))
    torch.testing.assert_close(embedding, network.features(inputs).embedding)
