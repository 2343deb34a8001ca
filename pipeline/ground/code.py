"""Digest of the code that made something, independent of comments, docstrings and file locations."""

import ast
import hashlib
import io
import shutil
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.ground.paths import ROOT

CODE = ("models", "pipeline", "stages")
TRAINS = ("models", "pipeline/data", "pipeline/protocol", "pipeline/train")
"""The rooms that can change a weight."""


def code_files(rooms: Iterable[str] = CODE, root: Path = ROOT) -> list[Path]:
    """The Python files of rooms (folders, or single files), sorted."""
    found = {root / room: (root / room).rglob("*.py") if (root / room).is_dir() else [root / room] for room in rooms}
    return sorted({path for files in found.values() for path in files if path.suffix == ".py"})


def code_digest(files: Iterable[Path]) -> str:
    """SHA-256 over the content of the files without their names, so that a comment or a move does not cost a training.

    An import from another of the files is replaced by that file's digest, so swapped contents change the result.
    """
    modules = ModuleDigests({_module(path): path for path in files})
    return hashlib.sha256("\n".join(sorted(modules.digest(module) for module in modules.files)).encode()).hexdigest()


@dataclass(frozen=True)
class ModuleDigests:
    """Digests of modules, without comments, docstrings, empty lines and the modules' own names."""

    files: Mapping[str, Path]
    """By dotted module name, such as models.neuron."""
    digests: dict[str, str] = field(default_factory=dict)

    def digest(self, module: str) -> str:
        if module not in self.digests:
            self.digests[module] = ""  # ends the recursion for modules that import each other
            text = self._normalized(module, self.files[module].read_text(encoding="utf-8"))
            self.digests[module] = hashlib.sha256(text.encode()).hexdigest()
        return self.digests[module]

    def _normalized(self, module: str, text: str) -> str:
        """The text to hash. Made from the source text, because the syntax tree changes between Python versions."""
        lines = text.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
        for node in ast.walk(ast.parse(text)):
            if (replacement := self._replacement(module, node)) is not None:
                assert isinstance(node, ast.stmt), "expressions are replaced as statements"
                assert node.end_lineno is not None, "parsed from text"
                height = node.end_lineno - node.lineno + 1
                lines[node.lineno - 1 : node.end_lineno] = [replacement] + [""] * (height - 1)
        return "\n".join(line.rstrip() for line in lines if line.strip())

    def _replacement(self, module: str, node: ast.AST) -> str | None:
        """The text that replaces a statement of a module, or None to keep it."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ""  # a docstring, of a field too
        if isinstance(node, ast.ImportFrom) and (source := imported_module(module, node)).split(".")[0] in CODE:
            names = ", ".join(self._imported(source, one) for one in sorted(node.names, key=lambda one: one.name))
            return f"import {names}"
        return None

    def _imported(self, package: str, one: ast.alias) -> str:
        """An imported name with the digest of its module, which is empty if that is not among the files."""
        module = next((module for module in (f"{package}.{one.name}", package) if module in self.files), None)
        name = "" if module == f"{package}.{one.name}" else one.name
        return f"{name} of {self.digest(module) if module else ''} as {one.asname or one.name}"


def imported_module(module: str, statement: ast.ImportFrom) -> str:
    """The full name of what `from X import ...` in a module names, such as models.neuron for `.neuron` in models."""
    package = module.split(".")[: -statement.level] if statement.level else []
    return ".".join([*package, *([statement.module] if statement.module else [])])


def _module(path: Path) -> str:
    """models.neuron for .../models/neuron.py."""
    parts = path.with_suffix("").parts
    start = max(place for place, part in enumerate(parts) if part in CODE)
    return ".".join(parts[start:])


def copy_code(into: Path, root: Path = ROOT) -> Path:
    """Copies only the packages' Python files, for Ray's `working_dir`: no data, caches or .git. Returns the folder."""
    for path in code_files(root=root):
        copy = into / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return into
