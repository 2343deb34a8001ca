"""Which values the identity of a training depends on, and which it must not depend on."""

from dataclasses import replace
from pathlib import Path

from pipeline.ground.code import TRAINS, code_digest, code_files
from pipeline.ground.paths import ROOT
from pipeline.train.identity import run_identity
from tests.test_rooms import MODULES, closure
from tests.train.tiny import NETWORK, TRAINING


def test_everything_that_changes_a_result_changes_the_name() -> None:
    names = {
        run_identity(NETWORK, TRAINING, 0, ("data",)),
        run_identity(replace(NETWORK, leak=0.9), TRAINING, 0, ("data",)),
        run_identity(NETWORK, replace(TRAINING, epochs=3), 0, ("data",)),
        run_identity(NETWORK, TRAINING, 1, ("data",)),
        run_identity(NETWORK, TRAINING, 0, ("other data",)),
    }
    assert len(names) == 5
    assert run_identity(NETWORK, TRAINING, 0, ("data",)) in names


def digest(folder: Path, name: str, text: str) -> str:
    (folder / "models").mkdir(parents=True)
    (folder / "models" / name).write_text(text)
    return code_digest(code_files(root=folder))


def test_code_counts_and_comments_and_places_do_not(tmp_path: Path) -> None:
    plain = digest(tmp_path / "a", "f.py", "from models.x import y\n\ndef f(v):\n    return v + y\n")
    said = '"""A file."""\nfrom models.x import y\n\n\ndef f(v):\n    """Why."""\n    return v + y  # because\n'
    moved = "from pipeline.data.x import (\n    y,\n)\n\n\ndef f(v):\n    return v + y\n"
    assert digest(tmp_path / "b", "f.py", said) == plain
    assert digest(tmp_path / "c", "g.py", moved) == plain
    assert digest(tmp_path / "d", "f.py", "from models.x import z\n\ndef f(v):\n    return v + z\n") != plain
    assert digest(tmp_path / "e", "f.py", "from models.x import y\n\ndef f(v):\n    return v - y\n") != plain


def test_a_relative_import_is_the_same_as_an_absolute_one(tmp_path: Path) -> None:
    texts = {"x.py": "y = 1\n", "f.py": "from models.x import y\n\nz = y\n"}
    for folder, text in (("absolute", texts["f.py"]), ("relative", "from .x import y\n\nz = y\n")):
        (tmp_path / folder / "models").mkdir(parents=True)
        (tmp_path / folder / "models" / "x.py").write_text(texts["x.py"])
        (tmp_path / folder / "models" / "f.py").write_text(text)
    absolute, relative = (code_digest(code_files(root=tmp_path / name)) for name in ("absolute", "relative"))
    assert absolute == relative


def two_files(folder: Path, first: str, second: str, imported: str = "a") -> str:
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a.py").write_text(first)
    (folder / "models" / "b.py").write_text(second)
    (folder / "models" / "c.py").write_text(f"from models.{imported} import fire\n\nvalue = fire()\n")
    return code_digest(code_files(root=folder))


def test_what_an_import_gives_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    one, other = "def fire():\n    return 1\n", "def fire():\n    return 2\n"
    plain = two_files(tmp_path / "plain", one, other)
    assert two_files(tmp_path / "exchanged", other, one) != plain
    assert two_files(tmp_path / "other source", one, other, imported="b") != plain
    assert two_files(tmp_path / "moved", other, one, imported="b") == plain


def test_whatever_computes_numbers_in_a_training_is_in_its_name() -> None:
    named = {path.relative_to(ROOT).as_posix() for path in code_files(TRAINS)}
    reached = {MODULES[name] for name in closure("pipeline.train.loop") & MODULES.keys()}
    others = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in reached}
    assert "pipeline/data/counter.py" in named
    assert [name for name, text in others.items() if name not in named and "import numpy" in text] == []
    assert [name for name, text in others.items() if name not in named and "import torch" in text] == []
