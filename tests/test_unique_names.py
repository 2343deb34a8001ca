"""Names are unique: each public name is defined in one module of the product."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.test_rooms import MODULES

ENTRY = "main"
"""Of every program."""
KERNELS = {f"models.kernels.{name}" for name in ("reference", "cpu", "cuda")}
INTERFACE = {"SURROGATES", "moments", "fire", "fire_backward", "combine"}
"""Of the kernels: three implementations of one interface, between which models/kernels/choice.py chooses."""
LOOPS = {f"models.kernels.{name}" for name in ("numba_kernels", "triton_kernels")}
"""What two of them call, under the same names."""


def defined(module: str) -> Iterator[str]:
    """The public names that a module's own statements bind, imports aside."""
    for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def shared() -> dict[str, set[str]]:
    """The modules of each name that several define, but for the exceptions."""
    modules = defaultdict[str, set[str]](set)
    for module in MODULES:
        for name in defined(module):
            modules[name].add(module)
    return {
        name: found
        for name, found in modules.items()
        if len(found) > 1 and name != ENTRY and not (name in INTERFACE and found <= KERNELS | LOOPS)
    }


def test_a_public_name_is_defined_in_one_file() -> None:
    assert shared() == {}


def test_the_kernels_have_one_interface() -> None:
    for module in KERNELS:
        assert set(defined(module)) >= INTERFACE, module
