"""The fuzzer detects forbidden behaviour, and finds no fault in a small sample of its cases."""

import signal
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from pipeline.ground.errors import RecordingError
from tests.fuzz import guarded
from tests.fuzz.damage import OF_BYTES, Case, make_case
from tests.fuzz.guarded import Finding, run_cases
from tests.fuzz.misbehaving import misbehaving
from tests.fuzz.seeds import FORMATS, seeds
from tests.fuzz.target import RECORDINGS, WrongOutcomeError, _check_text, run


@pytest.mark.parametrize("name", FORMATS)
def test_whole_recordings_are_frames_and_events_outside_are_refused(name: str) -> None:
    for seed in seeds(name):
        assert run(Case(0, name, seed.whole, "none")) == "frames"
        assert run(Case(0, name, seed.outside, "outside")) == "refused"


def test_a_case_follows_from_seed_and_number_alone() -> None:
    assert [make_case(5, number) for number in range(60)] == [make_case(5, number) for number in range(60)]
    assert make_case(5, 7).data != make_case(6, 7).data


@pytest.mark.parametrize("cases", [400, pytest.param(8000, marks=pytest.mark.long)])
def test_cases_end_in_frames_or_a_clear_error(cases: int) -> None:
    outcomes = {(case.format, run(case)) for case in (make_case(1, number) for number in range(cases))}
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


def test_an_error_and_a_hang_are_found() -> None:
    quick = replace(RECORDINGS, seconds=0.05)
    before = signal.signal(signal.SIGPROF, guarded._too_slow)
    try:
        found = [guarded._outcome(quick, Case(number, "AEDAT 4", b"", "none"), misbehaving) for number in (0, 4, 5)]
    finally:
        signal.signal(signal.SIGPROF, before)
    assert found[0] == "frames"
    assert isinstance(found[1], Finding)
    assert found[1].reason.endswith("ValueError: not for the user\n")
    assert found[2] == Finding(5, "more than 0.05 s")


def test_a_crash_too_much_memory_and_a_hang_in_native_code_are_found_and_the_rest_goes_on() -> None:
    reports = list(run_cases(replace(RECORDINGS, silence=3.0), 0, 4, 1, misbehaving))
    findings = {report.case: report.reason for report in reports if isinstance(report, Finding)}
    assert findings == {1: "the process died (-6)", 2: "more than 512 MiB", 3: "no end after 3 s"}


def test_recording_errors_are_input_errors() -> None:
    assert RecordingError.__mro__[1].__name__ == "InputError"
