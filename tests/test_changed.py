"""Long tests run if something that they depend on has changed."""

from tests.changed import long_files


def test_a_change_of_a_room_runs_the_long_tests_above_it() -> None:
    every = long_files(None)
    for path in ("requirements.lock", "dvc.yaml", "params.yaml", "paper/claims.yaml"):
        assert long_files([path]) == every
    assert long_files(["docs/scaling.md", "README.md"]) == []
    above = {name.split("/")[1] for name in long_files(["pipeline/report/page.py"])}
    assert "report" in above
    assert "models" not in above
    assert "tests/models/test_choices.py" in long_files(["models/neuron.py"])
