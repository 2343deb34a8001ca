"""The fuzzer finds what it is there to find, and finds nothing in a small share of its cases."""

import os
import signal
import time
from random import Random

import numpy as np
import pytest

from pipeline.errors import RecordingError
from tests.fuzz import guarded
from tests.fuzz.damage import OF_BYTES, Case, make_case
from tests.fuzz.guarded import Finding, Tally, run_cases
from tests.fuzz.seeds import FORMATS, seeds
from tests.fuzz.target import WrongOutcomeError, _check_text, run


@pytest.mark.parametrize("name", FORMATS)
def test_whole_recordings_are_frames_and_events_outside_are_refused(name: str) -> None:
    for seed in seeds(name):
        assert run(Case(0, name, seed.whole, "none")) == "frames"
        assert run(Case(0, name, seed.outside, "outside")) == "refused"


def test_a_case_follows_from_seed_and_number_alone() -> None:
    assert [make_case(5, number) for number in range(60)] == [make_case(5, number) for number in range(60)]
    assert make_case(5, 7).data != make_case(6, 7).data


def test_two_thousand_cases_end_in_frames_or_a_clear_error() -> None:
    outcomes = {(case.format, run(case)) for case in (make_case(1, number) for number in range(2000))}
    assert outcomes == {(name, outcome) for name in FORMATS for outcome in ("frames", "refused")}


def test_every_kind_of_damage_changes_something() -> None:
    whole = seeds("AEDAT 2.0")[1].whole
    drawn = np.random.default_rng(0).integers(0, 1000, 40)
    for damage in set(OF_BYTES):
        assert any(damage(Random(int(number)), whole) != whole for number in drawn), damage


@pytest.mark.parametrize("text", ["cup/7: damaged", "byte 5: something is wrong", "other: byte 5: something is wrong"])
def test_an_error_without_file_or_place_is_a_finding(text: str) -> None:
    with pytest.raises(WrongOutcomeError):
        _check_text(text, named=True)


def misbehaving(case: Case) -> str:
    """What a decoder must not do, each in a case of its own."""
    if case.number == 2:
        os.abort()
    if case.number == 3:
        raise ValueError("not for the user")
    if case.number == 4:
        return str(len(bytearray(2 * guarded.MEMORY)))
    if case.number == 5:
        while True:
            pass
    if case.number == 6:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        time.sleep(60)
    return "frames"


def test_a_crash_an_error_a_hang_and_too_much_memory_are_found_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guarded, "SILENCE", 4.0)
    findings: dict[int, str] = {}
    total = Tally()
    for report in run_cases(0, 9, 2, misbehaving):
        if isinstance(report, Finding):
            findings[report.case] = report.reason
        else:
            for tally in report.values():
                total.add(tally)
    assert findings.pop(3).endswith("ValueError: not for the user\n")
    assert findings == {
        2: "the process died (-6)",
        4: "more than 512 MiB",
        5: "more than 1 s",
        6: "no end after 4 s",
    }
    assert total.outcomes == {"frames": 3}  # 1, 7 and 8; what a process counted is lost with it


def test_recording_errors_are_input_errors() -> None:
    assert RecordingError.__mro__[1].__name__ == "InputError"
