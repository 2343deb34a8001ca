"""The allowed dependencies between rooms (CONTRIBUTING.md), checked on the imports in the code."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.ground.code import imported_module

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "pipeline", "stages")
BELOW: dict[str, set[str]] = {
    "models": set(),
    "ground": {"models"},
    "data": {"ground"},
    "cluster": {"ground"},
    "download": {"ground", "data", "cluster"},
    "preprocess": {"models", "ground", "data", "cluster", "download"},
    "protocol": {"models", "ground", "data"},
    "train": {"models", "ground", "data", "cluster", "protocol"},
    "evaluate": {"models", "ground", "data", "cluster", "protocol"},
    "judge": {"models", "ground", "data", "protocol", "evaluate"},
    "report": {"models", "ground", "data", "protocol", "evaluate", "judge"},
    "authors": {"models", "ground", "data", "preprocess", "protocol", "evaluate", "judge"},
    "predict": {"models", "ground", "data", "download", "preprocess", "protocol"},
    "export": {"models", "ground", "predict"},
}
"""The rooms that each room may import from, beside itself."""
ON_TOP = {"stages", "verify", "cli"}
"""They may import from all of those; cli from these too."""
STAGES = ("download", "preprocess", "train", "evaluate", "agreement", "report")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if path.name != "__init__.py"
}


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module imports, anywhere in it; ours by file, others by their first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = imported_module(module, node)
            inside = [f"{source}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else source for name in inside]
        found |= {name if name in MODULES else name.split(".")[0] for name in names}
    return frozenset(found)


def closure(module: str) -> set[str]:
    """Everything that is imported with a module, itself included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += sorted(imports(name)) if name in MODULES else []
    return seen


def room(module: str) -> str:
    """models, stages, or the room below pipeline/."""
    first, second, *_ = [*module.split("."), ""]
    return second if first == "pipeline" else first


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    here = room(module)
    for other in imports(module) & MODULES.keys():
        allowed = BELOW.get(here, BELOW.keys() | (ON_TOP if here == "cli" else set()))
        assert room(other) in {here} | allowed, f"{module} imports {other}"


def deps_of(stage: str) -> list[str]:
    """What dvc.yaml says that a stage reads."""
    described = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    deps: list[str] = described.get("do", described)["deps"]
    return deps


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_seven_rooms_at_most(stage: str) -> None:
    code = [path for path in deps_of(stage) if path.split("/")[0] in ("models", "pipeline")]
    assert len(code) <= 7


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_everything_that_it_imports(stage: str) -> None:
    deps = [ROOT / path for path in deps_of(stage) if "$" not in path]
    for module in sorted(closure(f"stages.{stage}") & MODULES.keys()):
        path = MODULES[module]
        assert any(path == dep or dep in path.parents for dep in deps), f"{stage} imports {module}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_files_that_exist(stage: str) -> None:
    made = ("data/", "artifacts", "records")
    for dep in deps_of(stage):
        assert dep.startswith(made) or (ROOT / dep).exists(), dep


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_script_is_thin(stage: str) -> None:
    assert 20 <= len((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8").splitlines()) <= 60


def others(module: str) -> set[str]:
    """Packages of others that a module needs."""
    return {name for name in closure(module) if name not in MODULES and name not in sys.stdlib_module_names}


FOLDERS = {"safetensors", "huggingface_hub"}
"""Imported when a network is loaded or saved (models/sresnet.py, models/pretrained.py)."""
BESIDE_TORCH = {
    "models.kernels.compiled": {"numba"},
    "models.kernels.numba_kernels": {"numba", "numpy"},
    "models.kernels.cpu": {"numba", "numpy"},
    "models.kernels.triton_kernels": {"triton"},
    "models.kernels.cuda": {"triton"},
}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("models.")])
def test_the_network_needs_torch_alone(module: str) -> None:
    """The kernels are loaded when they are asked for; without their compiler the reference computes."""
    assert others(module) <= {"torch"} | FOLDERS | BESIDE_TORCH.get(module, set())


NEED_RAY = [
    f"pipeline.train.{name}"
    for name in ("gauges", "jobs", "journal", "on_ray", "placement", "ray_worker", "recoveries", "shipped")
]


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("pipeline.train.")])
def test_training_runs_without_ray(module: str) -> None:
    """What needs Ray imports it when it is asked for; torchvision is for augmentation autoaugment alone."""
    if module not in NEED_RAY:
        assert others(module) <= {"torch", "numpy", "pyarrow", "torchvision"} | FOLDERS


def test_training_loads_what_it_may_not_need_only_when_it_is_asked_for() -> None:
    rare = '("torchvision", "safetensors", "huggingface_hub")'
    code = f"import sys, pipeline.train.loop; sys.exit(any(name in sys.modules for name in {rare}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_only_driver_and_worker_import_ray_train() -> None:
    statement = re.compile(r"^\s*(import ray\.train|from ray\.train|from ray import .*\btrain\b)", re.MULTILINE)
    importing = [name for name, path in MODULES.items() if statement.search(path.read_text(encoding="utf-8"))]
    assert importing == ["pipeline.train.on_ray", "pipeline.train.ray_worker"]


WITHOUT_TORCH = [name for name in MODULES if room(name) == "judge"] + [
    "pipeline.evaluate.record",
    "pipeline.report.attestation",
    "pipeline.report.forensics",
    "pipeline.report.signing",
    "pipeline.verify.verify",
]


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_a_verdict_needs_no_torch(module: str) -> None:
    assert "torch" not in closure(module)
