"""Every input is counted as used, or as left out with a reason."""

import pytest

from pipeline.data.counts import check, in_words, left_out, total

COUNTS = {
    "recordings": 2,
    "recordings used": 2,
    "events": 1200,
    "events used": 1000,
    left_out("events", "invalid"): 150,
    left_out("events", "late"): 50,
}


def test_counts_agree_or_the_difference_is_named() -> None:
    check(COUNTS, "a")
    check({}, "a")
    with pytest.raises(AssertionError, match=r"^a: used and left out do not sum to the number found of \['events'\]: "):
        check(COUNTS | {"events": 1201}, "a")
    with pytest.raises(AssertionError, match=r"of \['windows'\]: "):
        check(COUNTS | {"windows used": 1}, "a")


def test_totals_are_sums_by_name_without_zeros() -> None:
    assert total([{"events": 2, "windows": 0}, {"events": 3, "packets": 1}]) == {"events": 5, "packets": 1}


def test_every_kind_and_reason_is_said() -> None:
    assert in_words(COUNTS) == (
        "recordings: 2 (all used); events: 1,200 (1,000 used, 150 left out: invalid, 50 left out: late)"
    )
