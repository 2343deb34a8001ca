"""Ledger, operations and forensics in both formats of the report, also for records without them."""

import re
from pathlib import Path

import pytest

from pipeline.evaluate.operations import Operations, Work
from pipeline.ground.paths import CLAIMS
from pipeline.judge.audit import make_audit
from pipeline.report.evidence import evidence_of, examined_claims
from tests.evaluate.made import RECORD, record
from tests.report.test_page import root, written

__all__ = ["root"]
SPIKES = Work(
    samples=10,
    inputs=1000,
    nonzero=250,
    dense=40_000_000,
    binary=10_000_000,
    graded=0,
    graded_units=0,
    real=0,
    normalized=600,
    neurons=600,
)
REAL = Work(
    samples=10,
    inputs=1000,
    nonzero=1000,
    dense=20_000_000,
    binary=0,
    graded=0,
    graded_units=0,
    real=20_000_000,
    normalized=600,
    neurons=0,
)
OPERATIONS = Operations(steps=2, layers={"stem": REAL, "blocks.0.first": SPIKES})
LEDGER = {
    "best_epoch": 7,
    "last_epoch": 90.2,
    "test_batch": 20,
    "dropped": [
        {"id": "one", "label": "a", "correct": True},
        {"id": "two", "label": "<b>", "correct": False},
        {"id": "three", "label": "a", "correct": True},
    ],
}
PROTOCOLS = {
    "every_test_sample": 90.0,
    "full_batches_only": 90.2,
    "mean_of_batch_means": 89.5,
    "best_test_epoch": 91.4,
}
FULL = record(protocols=PROTOCOLS, ledger=LEDGER, operations=OPERATIONS.as_json())


@pytest.fixture
def both(root: Path) -> tuple[str, str]:
    """The page and the Markdown of a run whose record has everything."""
    FULL.write(root / "results" / "tiny" / "0.json")
    return written(root)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_ledger_says_points_and_who_was_dropped(both: tuple[str, str]) -> None:
    html, markdown = both
    for points in ("+0.20", "-0.50", "+1.40", "+1.20"):
        assert points in html
        assert points in markdown
    assert "of it, epoch 7 instead of the last, scored alike" in html
    assert (
        "3 test samples fall into the partial batch; 2 of them are recognized. "
        "Of them 2 of class a, 1 of class &lt;b&gt;." in text_of(html)
    )
    assert (
        "3 samples in the partial test batch of 20, 2 recognized; by class a 2, \\<b\\> 1; ids one, two, three"
        in markdown
    )


def test_operations_by_hand(both: tuple[str, str]) -> None:
    html, markdown = both
    # A sample: 1 M binary and 2 M real operations; all synapses once: (40 + 20) / 10 / 2 = 3 M.
    for cells in (
        ("0.000", "3.000", "2.70"),
        ("2.000", "1.000", "10.10"),
        ("3.000", "0.000", "13.80"),
    ):
        assert " ".join(cells) in text_of(html)
        assert " | ".join(cells) in markdown
    assert "Of 2 layers, 1 is given spikes alone, 0 are given sums of spikes, 1 is given real values" in text_of(html)
    assert "blocks.0.first binary 25.0 % 1.000 25.0 % 0.000" in text_of(html)
    assert "| blocks.0.first | binary | 25.0 % | 1.000 | 0.000 |" in markdown
    assert 'class="chart" id="operations-tiny-0"' in html


def test_forensics_of_the_papers_numbers(both: tuple[str, str]) -> None:
    for text in map(text_of, both):
        assert (
            "One run on every sample cannot print 72.98 %: the nearest are 729/1000 = 72.90 and 730/1000 = 73.00"
            in text
        )
        assert "705/966" in text
        assert "9414/10000" in text
        assert "7465/10000" in text


def test_only_percentages_of_the_paper_are_examined(root: Path) -> None:
    claims = make_audit("tiny", CLAIMS, root, [root / "results" / "tiny" / "0.json"]).claims
    found = {claim.printed: forensics.test_size for claim, forensics in examined_claims(claims)}
    assert found.items() >= {"94.14 %": 10000, "74.65 %": 10000, "72.98 %": 1000}.items()
    assert "92.5 %" not in found


def test_a_record_of_an_earlier_form_is_shown_as_not_recorded(root: Path) -> None:
    evidence = evidence_of(RECORD)
    assert (evidence.left_out, evidence.operations) == (None, None)
    html, markdown = written(root)
    assert "Operations: not recorded." in html
    assert "Dropped samples: not recorded." in html
    assert "tiny-0: not recorded." in markdown
    assert "tiny-0: dropped samples not recorded" in markdown
