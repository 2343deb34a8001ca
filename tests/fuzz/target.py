"""The required outcome for every file: the same frames by both methods, or an error that names place and fault."""

import re

import numpy as np

from pipeline.ground.errors import RecordingError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.frames import Framing, frames_of_bytes, to_frames
from pipeline.preprocess.recordings import decode_recording
from pipeline.preprocess.windows import windows
from tests.fuzz.damage import Case, make_case
from tests.fuzz.guarded import Subject, Target
from tests.fuzz.seeds import FORMATS, SIZES, STATED, seeds

FRAMES = 8
NAME = "cup/7"
PLACE = re.compile(r"(cup/7: )?(byte|event) \d+: .{10,}", re.DOTALL)
SENSOR = re.compile(r"(cup/7: )?the sensor is \d+ x \d+ pixels, but frames of .*", re.DOTALL)
"""A whole recording of another camera."""


class WrongOutcomeError(Exception):
    """A file that ended in something else."""


def run(case: Case) -> str:
    """ "frames" or "refused", by every way that the stage goes. Raises WrongOutcomeError."""
    framing = Framing(num_frames=FRAMES, size=SIZES[case.suffix], orientation=None, sensor=STATED.get(case.suffix))
    plain = _decoded(case, framing)
    fast = None
    try:
        fast, _ = frames_of_bytes(case.data, case.suffix, NAME, framing)
    except RecordingError as error:
        _check_text(str(error), named=True)
    if (fast is None) != (plain is None) or (fast is not None and not np.array_equal(fast, plain)):
        raise WrongOutcomeError("the frames straight from the bytes are not those of the decoded recording")
    return "refused" if plain is None else "frames"


def _decoded(case: Case, framing: Framing) -> np.ndarray | None:
    """Frames of the decoded recording, cut into windows beside; None if it is refused."""
    try:
        recording = decode_recording(case.data, case.suffix, NAME, framing.sensor)
    except RecordingError as error:
        return _check_text(str(error), named=True)
    try:
        windows(recording, WindowParams(ms=100, min_events=1))
    except RecordingError as error:
        _check_text(str(error), named=False)
    try:
        return to_frames(recording, framing.num_frames, framing.size)
    except RecordingError as error:
        return _check_text(str(error), named=False)


def _check_text(text: str, *, named: bool) -> None:
    match = PLACE.fullmatch(text) or SENSOR.fullmatch(text)
    if not match or (named and not match[1]):
        raise WrongOutcomeError(f"the error names no file, or neither byte nor event: {text}")


def _warm(target: Target) -> None:
    for name in FORMATS:
        for seed in seeds(name):
            target(Case(-1, name, seed.whole, "none"))


RECORDINGS = Subject(make_case=make_case, formats=tuple(FORMATS), warm=_warm)
