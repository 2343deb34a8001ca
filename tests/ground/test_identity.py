"""What names a training, and what must not."""

from dataclasses import replace
from pathlib import Path

from pipeline.ground.code import code_digest, code_files
from pipeline.train.identity import run_identity
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
