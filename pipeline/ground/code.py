"""Which code made something: one digest of its meaning, free of comments and of where the files lie."""

import ast
import hashlib
import io
import shutil
import tokenize
from collections.abc import Iterable
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
    """SHA-256 over what the files mean, whatever their names: a comment or a move must not cost a training."""
    meanings = (_meaning(path.read_text(encoding="utf-8")) for path in files)
    digests = sorted(hashlib.sha256(meaning.encode()).hexdigest() for meaning in meanings if meaning)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def copy_code(into: Path, root: Path = ROOT) -> Path:
    """A folder with all packages' files alone, for Ray's `working_dir`: no data, no caches, nothing of .git."""
    for path in code_files(root=root):
        copy = into / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return into


def _meaning(text: str) -> str:
    """The text without comments, docstrings and empty lines, and without the places of our modules in imports.

    It is made from the text, not from the syntax tree, whose form changes with Python's version.
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if (said := _replacement(node)) is not None:
            assert isinstance(node, ast.stmt), "expressions are replaced as statements"
            assert node.end_lineno is not None, "parsed from text"
            height = node.end_lineno - node.lineno + 1
            lines[node.lineno - 1 : node.end_lineno] = [said] + [""] * (height - 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _replacement(node: ast.AST) -> str | None:
    """What stands for a statement; None: itself."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return ""  # a docstring, of a field too
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in CODE:
        return "import " + ", ".join(f"{one.name} as {one.asname}" if one.asname else one.name for one in node.names)
    return None
