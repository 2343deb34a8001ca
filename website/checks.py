"""Checks of the site: every public name has a docstring, and no page loads anything over the network."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

ADDRESS = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|object)\b[^>]*?\s(?:src|href|data)=[\"']?([^\"'\s>]+)[^>]*>", re.IGNORECASE
)
CANONICAL = re.compile(r"rel=[\"']?(?:canonical|next|prev)\b", re.IGNORECASE)
IN_STYLE = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")
MODULE = re.compile(r"^::: ([\w.]+)", re.MULTILINE)


def loaded_from_elsewhere(site: Path) -> list[str]:
    """`page: address` for each script, style, picture or font that a built page loads over the network."""
    found = []
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        text = path.read_text(encoding="utf-8")
        addresses = _in_html(text) if path.suffix == ".html" else _in_style(text)
        found += [f"{path.relative_to(site)}: {address}" for address in addresses if ADDRESS.match(address)]
    return found


def _in_html(text: str) -> Iterator[str]:
    yield from (tag[1] for tag in LOADED.finditer(text) if not CANONICAL.search(tag[0]))
    for style in re.findall(r"<style\b[^>]*>(.*?)</style>", text, re.DOTALL):
        yield from _in_style(style)


def _in_style(text: str) -> Iterator[str]:
    yield from (found[1] or found[2] for found in IN_STYLE.finditer(text))


def documented_modules(docs: Path) -> list[str]:
    """The modules that the pages document with `::: module`."""
    return [
        module for page in sorted(docs.rglob("*.md")) for module in MODULE.findall(page.read_text(encoding="utf-8"))
    ]


def undocumented(path: Path) -> list[str]:
    """`file:line: name` for each public name of a Python file without a docstring.

    Exempt are fields of classes, and methods with the name of a documented method of another class in the file.
    """
    body = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    methods = [node for one in classes for node in one.body if isinstance(node, ast.FunctionDef)]
    known = {node.name for node in methods if ast.get_docstring(node)}
    missing = [
        *(node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not ast.get_docstring(node)),
        *(node for node in methods if not ast.get_docstring(node) and node.name not in known),
    ]
    names = [(node.lineno, node.name) for node in missing] + list(_bare_values(body))
    return [f"{path}:{line}: {name}" for line, name in sorted(names) if not name.startswith("_")]


def _bare_values(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Line and name of each module-level value that no docstring follows."""
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and not is_text(after):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((node.lineno, one.id) for one in targets if isinstance(one, ast.Name))


def is_text(node: ast.stmt | None) -> TypeGuard[ast.Expr]:
    """Whether a statement is a bare string, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
