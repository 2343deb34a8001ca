"""The comparison with the authors' code, on a stand-in: it finds introduced differences and no others."""

import sys
from pathlib import Path

import pytest
import torch

from pipeline.authors import oracle
from pipeline.authors.agreement import Agreement
from pipeline.authors.authors_code import load_authors_model
from pipeline.authors.oracle import agreement_table, compare_case, compare_with_authors
from pipeline.authors.side_by_side import CASES, Sizes
from pipeline.ground.errors import InputError

SMALL = Sizes(blocks=1, width=2, steps=2, batch=2)
STAND_IN = Path(__file__).with_name("stand_in.py")


def checkout(folder: Path, fault: str = "") -> Path:
    """A folder with a model.py, and a file that it imports by its plain name."""
    text = STAND_IN.read_text(encoding="utf-8").replace('FAULT = ""', f"FAULT = {fault!r}")
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(text, encoding="utf-8")
    (folder / "helper.py").write_text("BESIDE = True\n", encoding="utf-8")
    return folder


def outcome(folder: Path, fault: str = "", case: int = 0) -> Agreement:
    return compare_case(CASES[case], load_authors_model(checkout(folder, fault)), SMALL)


def wrong(found: Agreement) -> set[str]:
    return {difference.quantity for difference in found.differences if not difference.equal}


@pytest.mark.parametrize("case", range(3))
def test_equal(tmp_path: Path, case: int) -> None:
    found = outcome(tmp_path, case=case)
    assert found.equal
    assert [difference.quantity for difference in found.differences] == [
        "spikes",
        "logits",
        "loss",
        "gradients",
        "running statistics",
        "parameters after a step",
        "logits after it, in test",
    ]
    assert all(difference.greatest > 0 for difference in found.differences)
    assert [flips.between.layer for flips in found.flips][:3] == ["stem", "blocks.0.first", "blocks.0.second"]
    assert all(flips.between.spikes for flips in found.flips)


def test_a_swapped_sign_is_found(tmp_path: Path) -> None:
    found = outcome(tmp_path, "sign")
    assert {"logits", "gradients"} <= wrong(found)
    assert "spikes" not in wrong(found)  # what comes after the last neurons moves none of them


def test_another_reset_is_found_with_its_first_spike(tmp_path: Path) -> None:
    found = outcome(tmp_path, "reset to zero")
    assert "spikes" in wrong(found)
    first = found.first_flip()
    assert first is not None
    assert (first[0], first[1].step) == ("stem", 1)  # the first step has nothing to reset
    assert first[1].margin > 1e-3  # no rounding


def test_another_surrogate_is_found_though_it_moves_no_spike(tmp_path: Path) -> None:
    found = wrong(outcome(tmp_path, "steeper surrogate"))
    assert {"gradients", "parameters after a step"} <= found
    assert not {"spikes", "logits", "loss", "running statistics"} & found


def test_removed_biases_are_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing: \['bntt_list\.0\.0\.bias'"):
        outcome(tmp_path, "no bias")


def test_the_table_says_where(tmp_path: Path) -> None:
    text = agreement_table([outcome(tmp_path / "a"), outcome(tmp_path / "b", "sign")])
    assert text.count("<- DIFFERENT") == len(wrong(outcome(tmp_path / "b", "sign")))
    assert text.endswith("DIFFERENT beyond 1e-10 in float64: images")
    assert agreement_table([outcome(tmp_path / "a")]).splitlines()[-1].startswith("EQUAL in float64")


def test_a_difference_ends_with_an_error_and_another_file_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(oracle, "CASES", CASES[:1])
    compare_with_authors(checkout(tmp_path), SMALL)
    said = capsys.readouterr().out
    assert "EQUAL in float64" in said
    assert "WARNING" in said
    assert "is not the file of commit c120f8e" in said
    assert "built" not in said
    with pytest.raises(InputError, match="compute different things"):
        compare_with_authors(checkout(tmp_path, "sign"), SMALL)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before, cuda, paths = set(sys.modules), torch.Tensor.cuda, list(sys.path)
    outcome(tmp_path, case=2)
    assert torch.Tensor.cuda is cuda
    assert sys.path == paths
    assert not {"model", "helper", "authors_model"} & (set(sys.modules) - before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "model.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "model.py: not found; --authors is the folder of a checkout"),
        ("import nothing_of_this_name\n", "cannot be imported .ModuleNotFoundError: .*nothing_of_this_name"),
        ("class SResnet: pass\n", "has no class SResnetNM"),
        ("class SResnet: pass\nSResnetNM = SResnet\n", "their SResnet and ours cannot be compared .TypeError"),
    ],
)
def test_a_wrong_path(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "model.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        compare_with_authors(tmp_path, SMALL)


def test_sizes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--steps must be at least 1"):
        compare_with_authors(tmp_path, Sizes(blocks=1, width=2, steps=0))
