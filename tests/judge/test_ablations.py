"""paper/ablations.csv: each row is a difference claim with its verdict, and a bad row one error with its line."""

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.evaluate.record import read_record
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, PROFILES, RESULTS, ROOT
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.ablations import ablation_claims, claim_files
from pipeline.judge.audit import make_audit
from pipeline.judge.claims import Claim, DifferenceClaim, read_claims
from pipeline.judge.verdicts import judge
from pipeline.protocol.params import load_params
from pipeline.report.bundle import evidence_files
from pipeline.report.study.grid import Cell
from pipeline.report.study.write import as_recorded
from pipeline.verify.origin_checks import claims as claims_check

Changes = dict[str, Any]
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


def of_the_paper(claims: Path, dataset: str) -> None:
    """As if the accuracy of our own training were the paper's: only then has a row a margin."""
    ours, papers = (
        f"  - id: {dataset}-accuracy\n    kind: accuracy\n    origin: {who}\n" for who in ("repository", "paper")
    )
    text = claims.read_text(encoding="utf-8")
    assert ours in text
    claims.write_text(text.replace(ours, papers), encoding="utf-8")


def first_networks(claims: Path, parts: list[str], dataset: str) -> list[Changes]:
    """Values of network and training that each part gives the dataset's configuration, before they are checked."""
    path = claims.with_name("ablations.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["part", "dataset", "printed"], ["base", dataset, "90"], *([part, dataset, "80.5"] for part in parts)]
        )
    firsts = [claim["first"] for _, claim in ablation_claims(path, read_yaml(claims))]
    return [first["network"] | first["training"] for first in firsts]


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
    of_the_paper(claims, "digits")
    vanilla, membrane = (judge(claim, records) for claim in table(claims, HEAD + rows))
    assert (vanilla.verdict, vanilla.seeds) == ("ABOVE", [0, 1, 2])
    assert membrane.verdict == "NOT COMPARABLE", "trained, but not with this shortcut"


def test_the_changes_of_the_study_are_parts(claims: Path) -> None:
    """As its page words them: numbers, true and false, empty and longer lists, two changes."""
    cifar100 = read_yaml(claims)["configurations"]["cifar100"]
    own, words = cifar100["network"] | cifar100["training"], Cell.changed
    assert isinstance(words, property)
    assert words.fget
    experiments = load_params(PROFILES / "study.yaml").experiments.items()
    values = [as_recorded(experiment) for name, experiment in experiments if name.startswith("study-")]
    changes = [{key: value for key, value in each.items() if value != own[key]} for each in values]
    parts = [words.fget(SimpleNamespace(changes=changed)) for changed in changes]
    assert first_networks(claims, parts, "cifar100") == [own | changed for changed in changes]
    assert {str, float, int, bool, list} <= {type(value) for changed in changes for value in changed.values()}
    joined = " ".join(parts)
    assert "nesterov true" in joined
    assert "pixel_mean [0.305]" in joined
    assert "decay_after []" in joined


def test_lists_and_booleans_are_values(claims: Path) -> None:
    own = read_claims(claims).configurations["cifar10"].training
    text = '"pixel_mean [0.5, 0.5, 0.5], nesterov true",cifar10,93.2\n"schedule cosine, decay_after []",cifar10,93.1\n'
    lists, empty = table(claims, HEAD + BASE + text)
    assert isinstance(lists, DifferenceClaim)
    assert isinstance(empty, DifferenceClaim)
    assert lists.first.training == replace(own, pixel_mean=(0.5, 0.5, 0.5), nesterov=True)
    assert empty.first.training == replace(own, schedule="cosine", decay_after=())


def test_the_words_of_the_studys_page_are_parts(claims: Path) -> None:
    """Of its tables; where datasets differ in a value, `or` stands between two parts."""
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    changed = re.findall(r"^\| \*\*[a-z-]+\*\*: (.+?)(?:, against [a-z-]+)? \|", page, re.MULTILINE)
    parts = sorted({part for words in changed for part in re.split(r" or (?=[a-z_]+ )", words)})
    assert {"shortcut or", "time_steps 1, neuron relu", "leak 1.0"} <= set(parts)
    for part, found in zip(parts, first_networks(claims, parts, "cifar100"), strict=True):
        pairs = [change.split(" ", 1) for change in part.split(", ")]
        assert [(key, value) for key, value in pairs if str(found[key]).lower() != value] == []


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
    "twice": (HEAD + BASE + "base,cifar10,94.14\n", r"line 3: .*line 2 is the base of cifar10 already; keep one"),
    "quote": (HEAD + BASE + '"shortcut\n', r"line 3: no row of a CSV file \(unexpected end of data\)"),
    "twice in a part": (
        HEAD + BASE + '"leak 1.0, leak 0.5",cifar10,93\n',
        r"line 3: part has leak twice; keep one value of it",
    ),
    "twice in other words": (
        HEAD + BASE + "leak 0.5,cifar10,93.0\nleak 5e-1,cifar10,93.0\n",
        r"line 4: has the network and the training of .*line 3; keep one",
    ),
    "twice in another order": (
        HEAD + BASE + '"leak 1, reset none",cifar10,93.0\n"reset none, leak 1.0",cifar10,93.0\n',
        r"line 4: has the network and the training of .*line 3; keep one",
    ),
    "id": (
        HEAD + BASE + "learning_rate 1e+1,cifar10,93.0\nlearning_rate 1e-1,cifar10,92.0\n",
        r"line 4: its id, ablation-cifar10-learning-rate-1e-1, is that of a claim in .*line 3; write the part",
    ),
    "boolean": (HEAD + BASE + "nesterov True,cifar10,93.0\n", r"line 3\.first\.training\.nesterov: .* not \"True\""),
    "not finite": (HEAD + BASE + "leak NaN,cifar10,93.0\n", r"line 3\.first\.network\.leak: .* not \"NaN\""),
    "open list": (
        HEAD + BASE + '"pixel_mean [0.5, 0.5",cifar10,93.0\n',
        r"line 3: part has '0\.5', expected base, or a",
    ),
    "deep": (HEAD + BASE + f"leak {'[' * 900},cifar10,93.0\n", r"line 3\.first\.network\.leak: "),
    "deep list": (HEAD + BASE + f"leak {'[' * 400 + ']' * 400},cifar10,93.0\n", r"line 3\.first\.network\.leak: "),
    "long": (
        HEAD + BASE + f"leak {'[' * 100_000},cifar10,93.0\n",
        r"line 3: a value of 100,005 characters, expected at",
    ),
    "other digits": (
        HEAD + BASE + "leak 1.0,cifar10,\u0669\u0663.2\n",
        r"line 3: printed is .*, expected a test accuracy",
    ),
    "decimals": (HEAD + BASE + "leak 1.0,cifar10,93.1234567\n", r"line 3: printed is '93\.1234567', expected a test"),
    "our own": (
        HEAD + "base,digits,90.1\nleak 1.0,digits,91.2\n",
        r"line 3: claims\.yaml has no claim of kind accuracy and origin paper about digits, whose margin the row needs",
    ),
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
    with pytest.raises(InputError, match=r"line 3: claims\.yaml has no claim .* about other, whose margin"):
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
    assert (found.link, found.file) == ("claims", "ablations.csv")
    assert found.expected.endswith(f"as in {CLAIMS.with_name('ablations.csv')}")
    of_the_paper(claims, "digits")
    assert {each.file for each in claims_check(report)} == {"ablations.csv and claims.yaml"}
    claims.with_name("ablations.csv").unlink()
    assert [each.file for each in claims_check(report)] == ["claims.yaml"]
    monkeypatch.setattr(paths, "CLAIMS", claims)
    assert list(claims_check(report)) == []
