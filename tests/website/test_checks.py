"""The build of the site refuses undocumented names and network requests."""

from pathlib import Path

import pytest

from pipeline.ground.paths import ROOT
from website.checks import documented_modules, loaded_from_elsewhere, undocumented


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://unpkg.com/a.js"></script>'),
        ("a.html", "<script defer src=//cdn.org/a.js></script>"),
        ("a.html", '<link rel="stylesheet" href="http://fonts.org/css">'),
        ("a.html", '<img alt="x" src="https://img.org/a.png">'),
        ("a.html", "<style>@font-face { src: url(https://fonts.org/a.woff2) }</style>"),
        ("a/b.css", '@import "https://fonts.org/css";'),
        ("a.css", 'a { background: url("//img.org/a.png") }'),
    ],
)
def test_what_comes_over_the_network_is_found(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text, encoding="utf-8")
    (found,) = loaded_from_elsewhere(tmp_path)
    assert found.startswith(f"{name}: ")


def test_links_and_files_of_the_site_are_no_fault(tmp_path: Path) -> None:
    text = '<a href="https://dvc.org">DVC</a><script src="assets/a.js"></script><link rel="canonical" href="https://a.org">'
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    (tmp_path / "a.css").write_text("a { background: url(b.svg) }", encoding="utf-8")
    assert loaded_from_elsewhere(tmp_path) == []


def test_public_names_without_a_docstring_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""A module."""\n'
        "BARE = 1\n"
        'TOLD = 1\n"""Told."""\n'
        "_PRIVATE = 1\n"
        "def bare(): ...\n"
        'def told():\n    """Told."""\n'
        'class Base:\n    """Told."""\n    field: int\n    def known(self):\n        """Told."""\n'
        "    def open(self): ...\n"
        'class Other(Base):\n    """Told."""\n    def known(self): ...\n',
        encoding="utf-8",
    )
    assert undocumented(path) == [f"{path}:2: BARE", f"{path}:6: bare", f"{path}:14: open"]


def test_documented_modules_have_docstrings() -> None:
    """What `make docs` asks, without building."""
    modules = documented_modules(ROOT / "docs")
    assert "models.sresnet" in modules
    found = [name for module in modules for name in undocumented(ROOT / f"{module.replace('.', '/')}.py")]
    assert found == []
