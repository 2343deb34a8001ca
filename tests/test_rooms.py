"""The walls of the house, read from the code's own imports."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "pipeline", "stages")
ORDER = ("models", "base", "pipeline.data", "pipeline.train", "pipeline.audit", "pipeline.report", "top", "stages")
TOP = (
    "pipeline.jobs",
    "pipeline.params",
    "pipeline.plan",
    "pipeline.preprocessed",
    "pipeline.screen",
    "pipeline.study",
    "pipeline.sweep",
    "pipeline.cli",
)
STAGES = ("download", "preprocess", "train", "evaluate", "report")
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
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inside]
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
    if module in TOP:
        return "top"
    return next((room for room in ORDER if module.startswith(room + ".")), "base")


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    for other in imports(module) & MODULES.keys():
        assert ORDER.index(room(other)) <= ORDER.index(room(module)), f"{module} imports {other}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_everything_that_it_imports(stage: str) -> None:
    described = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    deps = [ROOT / path for path in described.get("do", described)["deps"] if "$" not in path]
    for module in sorted(closure(f"stages.{stage}") & MODULES.keys()):
        path = MODULES[module]
        assert any(path == dep or dep in path.parents for dep in deps), f"{stage} imports {module}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_files_that_exist(stage: str) -> None:
    described = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    made = ("data/", "artifacts")
    for dep in described.get("do", described)["deps"]:
        assert dep.startswith(made) or (ROOT / dep).exists(), dep


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_script_is_thin(stage: str) -> None:
    assert 20 <= len((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8").splitlines()) <= 60


def others(module: str) -> set[str]:
    """Packages of others that a module needs."""
    return {name for name in closure(module) if name not in MODULES and name not in sys.stdlib_module_names}


BESIDE_TORCH = {
    "models.checkpoint": {"safetensors"},
    "models.compare": {"numpy", "safetensors"},
    "models.kernels.cpu": {"numba", "numpy"},
    "models.kernels.cuda": {"triton"},
}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("models.")])
def test_the_network_needs_torch_alone(module: str) -> None:
    """The kernels are loaded when they are asked for; without their compiler the reference computes."""
    assert others(module) <= {"torch"} | BESIDE_TORCH.get(module, set())


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("pipeline.train.")])
def test_training_runs_without_ray(module: str) -> None:
    """What needs Ray imports it when it is asked for."""
    if module not in ("pipeline.train.cluster", "pipeline.train.journal", "pipeline.train.placement"):
        assert others(module) <= {"torch", "safetensors", "numpy", "pyarrow"}


def test_only_one_file_imports_ray_train() -> None:
    importing = [name for name, path in MODULES.items() if "ray.train" in path.read_text(encoding="utf-8")]
    assert [name for name in importing if "import ray.train" in MODULES[name].read_text(encoding="utf-8")] == [
        "pipeline.train.cluster"
    ]


WITHOUT_TORCH = (
    *(
        "metrics",
        "predictions",
        "ledger",
        "forensics",
        "operations",
        "statistics",
        "equivalence",
        "claims",
        "matching",
        "verdicts",
    ),
    *("audit", "attestation", "verify"),
)


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_a_verdict_needs_no_torch(module: str) -> None:
    assert "torch" not in closure(f"pipeline.audit.{module}")
