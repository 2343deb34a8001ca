"""paper/ablations.csv: each row is a difference claim with its verdict, and a bad row one error with its line."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.evaluate.record import read_record
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, RESULTS
from pipeline.judge.ablations import claim_files
from pipeline.judge.audit import make_audit
from pipeline.judge.claims import Claim, DifferenceClaim, read_claims
from pipeline.judge.verdicts import judge
from pipeline.report.bundle import evidence_files
from pipeline.verify.checks import claims as claims_check

HEAD, BASE = "part,dataset,printed\n", "base,cifar10,94.14 %\n"


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    path = tmp_path / "paper" / "claims.yaml"
    path.parent.mkdir()
    shutil.copy(CLAIMS, path)
    return path


def table(claims: Path, text: str) -> list[Claim]:
    claims.with_name("ablations.csv").write_text(text, encoding="utf-8")
    return read_claims(claims).claims[len(read_claims(CLAIMS).claims) :]


def test_each_row_is_a_difference_from_the_base(claims: Path) -> None:
    """93.2 - 94.14 = -0.94; the margin of 1 point is less by the 0.05 that 93.2 was rounded by."""
    rows = table(claims, HEAD + BASE + 'shortcut vanilla,cifar10,93.2\n"shortcut membrane, leak 1.0",cifar10,91.05%\n')
    assert [row.id for row in rows] == [
        "ablation-cifar10-shortcut-vanilla",
        "ablation-cifar10-shortcut-membrane-leak-1-0",
    ]
    vanilla, other = rows
    assert isinstance(vanilla, DifferenceClaim)
    assert isinstance(other, DifferenceClaim)
    assert (vanilla.printed, vanilla.value, vanilla.precision) == ("-0.94 points", -0.94, 0.005)
    assert vanilla.margin == pytest.approx(0.95)
    assert (vanilla.first.network.shortcut, vanilla.second.network.shortcut) == ("vanilla", "spike-add")
    assert (other.first.network.shortcut, other.first.network.leak, other.margin) == (
        "membrane",
        1.0,
        pytest.approx(0.995),
    )
    assert vanilla.where.endswith("paper/ablations.csv, line 3")
    assert vanilla.second == read_claims(claims).configurations["cifar10"]


def test_a_row_is_judged_on_recorded_trainings(claims: Path) -> None:
    """Digits with vanilla: -0.38 points in three seeds of the study; a printed -20 is far from that."""
    names = ("study-digits-base", "study-digits-vanilla")
    records = [read_record(path) for name in names for path in sorted((RESULTS / name).glob("*.json"))]
    rows = "base,digits,91.6\nshortcut vanilla,digits,71.6\nshortcut membrane,digits,90.0\n"
    vanilla, membrane = (judge(claim, records) for claim in table(claims, HEAD + rows))
    assert (vanilla.verdict, vanilla.seeds) == ("ABOVE", [0, 1, 2])
    assert membrane.verdict == "NOT COMPARABLE", "trained, but not with this shortcut"


def test_without_a_table_nothing_changes(claims: Path) -> None:
    assert read_claims(claims) == read_claims(CLAIMS)
    assert claim_files(claims) == [claims]


BAD = {
    "empty": ("", r"ablations\.csv: is empty; the first line is part,dataset,printed"),
    "columns": ("part,data\n", r"line 1: the columns are part,data, expected part,dataset,printed"),
    "values": (HEAD + BASE + "a, b,cifar10,93\n", r"line 3: 4 values, expected 3 .* put a part with a comma in quotes"),
    "dataset": (HEAD + "base,cifar,94.1\n", r"line 2: dataset is 'cifar', expected one of cifar10, cifar100"),
    "printed": (HEAD + "base,cifar10,high\n", r"line 2: printed is 'high', expected a test accuracy such as 93\.2 %"),
    "too much": (HEAD + "base,cifar10,194\n", r"line 2: printed is '194'"),
    "no base": (HEAD + "shortcut vanilla,cifar10,93\n", r"line 2: no row has the part base and the dataset cifar10"),
    "key": (
        HEAD + BASE + "shortcuts vanilla,cifar10,93\n",
        r"line 3: part has 'shortcuts vanilla', .* did you mean shortcut",
    ),
    "no value": (HEAD + BASE + "shortcut,cifar10,93\n", r"line 3: part has 'shortcut', expected base, or a key"),
    "value": (HEAD + BASE + "shortcut vanila,cifar10,93\n", r"line 3\.first\.network\.shortcut: .* not \"vanila\""),
    "same": (HEAD + BASE + "leak 0.8744,cifar10,93\n", r"line 3: part is 'leak 0\.8744', which cifar10 has already"),
    "twice": (HEAD + BASE + "base,cifar10,94.14\n", r"line 3: base on cifar10 stands in .*line 2 already; keep one"),
    "quote": (HEAD + BASE + '"shortcut\n', r"line 3: no row of a CSV file \(unexpected end of data\)"),
    "rounding": (HEAD + "base,cifar10,94\nshortcut vanilla,cifar10,90\n", r"line 3: .* is not above the rounding"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_row_is_one_error_with_its_line(claims: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        table(claims, text)


def test_a_dataset_without_an_accuracy_claim_has_no_margin(claims: Path) -> None:
    text = CLAIMS.read_text(encoding="utf-8")
    changed = text.replace(
        "  digits-dvs: &digits-dvs\n",
        "  other:\n    <<: *digits\n    training: {<<: *short, epochs: 7}\n\n  digits-dvs: &digits-dvs\n",
    )
    claims.write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=r"line 3: claims\.yaml has no accuracy claim about other, whose margin"):
        table(claims, HEAD + "base,other,90\nleak 1.0,other,91\n")


def test_an_evidence_folder_has_the_table_and_it_is_this_repositorys(
    claims: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(claims, HEAD + BASE + "shortcut vanilla,cifar10,93.2\n")
    root = claims.parent.parent
    assert root / "paper" / "ablations.csv" in evidence_files(make_audit("p", claims, root, []), root)
    shutil.copy(paths.CITATION, root)
    report: Any = SimpleNamespace(evidence=root, name=lambda path: path.name)
    (found, *_) = claims_check(report)
    assert (found.link, found.file) == ("claims", "claims.yaml")
    monkeypatch.setattr(paths, "CLAIMS", claims)
    assert list(claims_check(report)) == []
