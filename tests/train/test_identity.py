"""What names a training, and what must not."""

from dataclasses import replace
from pathlib import Path

from pipeline.train.identity import code_digest, run_identity
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


def test_code_counts_and_comments_do_not(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / "neuron.py").write_text(text)
        return code_digest(tmp_path)

    plain = digest("def f(v):\n    return v + 1\n")
    assert digest('"""A file."""\n\n\ndef f(v):\n    """Why."""\n    return v + 1  # because\n') == plain
    assert digest("def f(v):\n    return v + 2\n") != plain
