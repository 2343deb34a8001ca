"""The networks in other libraries are this network: the same convolutions, the same outputs."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from benchmarks import peers
from benchmarks.forms import Case
from benchmarks.peers import PEERS, convolution_weights, main, row, steps_of
from tests.models.small import small_inputs, small_network
from tests.train.tiny import NETWORK

TINY = Case(network=NETWORK, batch=2)
WARNS = ["ignore::DeprecationWarning", "ignore::FutureWarning"]  # what the libraries say about themselves


def installed(name: str) -> None:
    pytest.importorskip(name, exc_type=ImportError)


@pytest.mark.filterwarnings(*WARNS)
@pytest.mark.parametrize("name", PEERS)
def test_the_same_network(name: str) -> None:
    """snnTorch's cell resets one step later, before the leak instead of after it, so its outputs are its own."""
    installed(name)
    model = small_network(blocks=2).float()
    peer = PEERS[name](model)
    assert convolution_weights(peer) == convolution_weights(model)
    inputs = small_inputs(model).float()
    logits = peer(inputs)
    torch.testing.assert_close(peer(inputs), logits, rtol=0, atol=0)
    if name != "snntorch":
        torch.testing.assert_close(logits, model(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings(*WARNS)
@pytest.mark.parametrize("name", PEERS)
def test_every_weight_learns(name: str) -> None:
    installed(name)
    model = small_network().float()
    peer = PEERS[name](model)
    peer(small_inputs(model).float()).square().sum().backward()
    moved = [value.grad is not None and bool(value.grad.any()) for value in peer.parameters() if value.requires_grad]
    assert all(moved)


def test_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With times that are set: a peer takes 6 / 2, then 10 / 2 times as long as ours."""
    monkeypatch.setattr(peers, "PEERS", {"torch": peers.StepByStep, "no_such_library": peers.StepByStep})
    monkeypatch.setattr(peers, "CASES", {"tiny": TINY})
    monkeypatch.setattr(peers, "keep_memory", lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(peers, "timed", lambda steps, rounds: {"ours": [2.0, 2.0], "torch": [6.0, 10.0]})
    main(["--threads=1", "--rounds=2", f"--output={tmp_path / 'peers.json'}"])
    result = json.loads((tmp_path / "peers.json").read_text())
    assert result["versions"] == {"torch": version("torch")}
    assert result["rows"]["tiny"]["slower_than_ours"] == {"torch": {"median": 4.0, "low": 3.0, "high": 5.0}}
    printed = capsys.readouterr().out
    assert "no_such_library: not installed" in printed
    assert "tiny: torch 4.00 times ours" in printed


def test_without_any_library_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", {"no_such_library": peers.StepByStep})
    main([f"--output={tmp_path / 'peers.json'}"])
    assert not list(tmp_path.iterdir())


def test_steps_take_turns_and_train() -> None:
    taken = peers.timed(steps_of(TINY, []), 2)
    assert list(taken) == ["ours"]
    assert len(taken["ours"]) == 2
    assert all(seconds > 0 for seconds in taken["ours"])


def test_other_convolutions_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", {"smaller": lambda model: torch.nn.Conv2d(3, 2, 3)})
    with pytest.raises(AssertionError, match="smaller"):
        row("tiny", TINY, ["smaller"], None)
