"""The page on GPUs says what the committed results say; the benchmark runs without a GPU as far as that goes."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import in_training, kind_of_kernel, main, with_run
from benchmarks.gpu_tables import COMMAND, sections
from benchmarks.marked import with_section
from benchmarks.train_step import measure
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS, ROOT
from tests.train.tiny import NETWORK, TRAINING

PAGE, RESULT = ROOT / "docs" / "gpu.md", RESULTS / "bench-gpu.json"
SPEED = {"median": 95.25, "low": 94.0, "high": 96.5}
ROW = {
    "experiment": "low-latency",
    "kernels": "recorded",
    "steps_per_second": SPEED,
    "measured": "3 rounds",
}
BARE = {"case": "T = 50, batch 21, bfloat16", "form": "step-by-step", "seconds": 1.2, "gpu_seconds": None}
RUN = {
    "gpu": "Some GPU",
    "software": "torch 2.15.0, Triton 3.9.0",
    "date": "2027-01-01",
    "by": COMMAND,
    "training": [ROW | {"gpu_seconds": {"passes": 0.004, "convolutions": 0.0061}}],
    "steps": [BARE | {"times_ours": {"median": 15.0, "low": 14.0, "high": 16.0}}],
}


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def test_the_committed_page_says_what_the_committed_results_say() -> None:
    text = before = PAGE.read_text(encoding="utf-8")
    for name, section in sections(json.loads(RESULT.read_text(encoding="utf-8"))).items():
        text = with_section(text, name, section, PAGE)
    assert text == before


def test_without_a_gpu_one_line_says_so_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    copies = [Path(shutil.copy(path, tmp_path)) for path in (PAGE, RESULT)]
    main([f"--page={copies[0]}", f"--output={copies[1]}"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("unmeasured: torch finds no GPU on this machine; ")
    assert [copy.read_bytes() for copy in copies] == [path.read_bytes() for path in (PAGE, RESULT)]


def test_a_run_is_added_and_replaces_the_commands_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "measured", lambda rounds: RUN)
    page, result = (Path(shutil.copy(path, tmp_path)) for path in (PAGE, RESULT))
    for _ in range(2):
        main([f"--page={page}", f"--output={result}"])
    text, committed = page.read_text(encoding="utf-8"), json.loads(RESULT.read_text(encoding="utf-8"))
    assert json.loads(result.read_text(encoding="utf-8")) == committed | {"runs": [*committed["runs"], RUN]}
    assert f"{len(committed['runs']) + 1}. Some GPU, torch 2.15.0, Triton 3.9.0; 2027-01-01, by make bench-gpu." in text
    assert "| recorded | 95.2 (94.0 to 96.5) | convolutions 6 ms, passes 4 ms | 2, 3 rounds |" in text
    assert "| one time step after another, float32 | 1,200 ms |  | 15.0 (14.0 to 16.0) | 2 |" in text


def test_a_run_by_hand_stays() -> None:
    others = [RUN | {"by": "hand"}, RUN | {"gpu": "Another GPU"}]
    assert with_run({"runs": [RUN, *others]}, RUN)["runs"] == [*others, RUN]


def test_a_training_is_measured_with_kernels_called_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU stands for the GPU: it records nothing."""
    config = replace(TRAINING, batch_size=4, augmentation="crop-flip")
    experiments = {"low-latency": SimpleNamespace(model=NETWORK, training=config)}
    taken: list[str] = []

    def on_cpu(forms: dict[str, Any], rounds: int, device: str) -> dict[str, list[float]]:
        taken.append(device)
        return measure(forms, rounds)

    for name, value in {
        "GPU": torch.device("cpu"),
        "STEPS": 3,
        "load_params": lambda path: SimpleNamespace(experiments=experiments),
        "measure": on_cpu,
        "gpu_seconds": lambda some: {"passes": 0.5},
    }.items():
        monkeypatch.setattr(gpu, name, value)
    rows = in_training("low-latency", 2)
    assert [row["kernels"] for row in rows] == ["called", "recorded"]
    assert taken == ["cuda"]
    for row in rows:
        assert 0 < row["steps_per_second"]["low"] <= row["steps_per_second"]["median"]
        assert (row["gpu_seconds"], row["measured"]) == ({"passes": 0.5}, "2 rounds of 3 steps")


def test_kinds_of_kernels() -> None:
    names = {
        "fire_backward": "passes",
        "sm90_xmma_fprop_implicit_gemm_bf16bf16": "convolutions",
        "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816wgrad>": "convolutions",
        "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>": "rest",
    }
    assert {name: kind_of_kernel(name) for name in names} == names


def test_a_document_without_marks_is_one_error() -> None:
    with pytest.raises(InputError, match=r"a\.md: no <!-- steps --> before <!-- /steps -->"):
        with_section("<!-- /steps --> <!-- steps -->", "steps", "text", Path("a.md"))
