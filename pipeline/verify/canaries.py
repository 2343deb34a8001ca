"""Drift canaries: behaviours in which other libraries differ from ours, or that changed between versions.

Each is tried on a few numbers and compared with the pinned result, so that an upgrade that changes one is reported here
by name instead of as a changed accuracy.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

CanaryState = Literal["as pinned", "CHANGED", "not installed"]


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One behaviour (rule) of one library."""

    name: str
    package: str
    rule: str
    """The pinned behaviour."""
    moves: str
    """What would change for code that relies on it."""
    probe: Callable[[], object]
    pinned: object


@dataclass(frozen=True, kw_only=True)
class CanaryOutcome:
    """The result of a canary."""

    canary: Canary
    version: str | None
    state: CanaryState
    found: str
    """The probe's result."""


def run_canaries(canaries: tuple[Canary, ...] | None = None) -> list[CanaryOutcome]:
    """The outcomes of all canaries, in order; `state` says if a library is not installed."""
    return [_run(canary) for canary in canaries or CANARIES]


def changed_rules(outcomes: list[CanaryOutcome]) -> list[str]:
    """A line for each rule that is no longer as pinned."""
    return [
        f"{outcome.canary.name}: {outcome.canary.package} {outcome.version} gives {outcome.found}, pinned "
        f"{outcome.canary.pinned}: {outcome.canary.rule}; it moves {outcome.canary.moves}"
        for outcome in outcomes
        if outcome.state == "CHANGED"
    ]


def _run(canary: Canary) -> CanaryOutcome:
    try:
        installed = version(canary.package)
    except PackageNotFoundError:
        return CanaryOutcome(canary=canary, version=None, state="not installed", found="")
    try:
        found = canary.probe()
    except Exception as error:  # a removed name or a changed signature is a change like any other
        said = re.sub(rf"{re.escape(tempfile.gettempdir())}/\S*", "a temporary file", str(error))  # its name varies
        return CanaryOutcome(canary=canary, version=installed, state="CHANGED", found=f"{type(error).__name__}: {said}")
    state: CanaryState = "as pinned" if found == canary.pinned else "CHANGED"
    return CanaryOutcome(canary=canary, version=installed, state=state, found=str(found))


def _tonic_events(number: int) -> Any:
    from tonic.io import make_structured_array

    place = np.arange(number)
    return make_structured_array(place % 4, place * 0, place, place * 0 + 1)


def _tonic_frames(number: int, **rule: int) -> Any:
    from tonic.transforms import ToFrame

    return ToFrame(sensor_size=(4, 4, 2), **rule)(_tonic_events(number))


def _tonic_bins() -> object:
    return int(_tonic_frames(7, n_event_bins=3).sum())


def _tonic_count() -> object:
    return int(_tonic_frames(7, event_count=3).sum())


def _tonic_empty() -> object:
    return [(*frames.shape, int(frames.sum())) for frames in (_tonic_frames(0, **rule) for rule in EMPTY_RULES)]


EMPTY_RULES = ({"n_event_bins": 3}, {"event_count": 3}, {"time_window": 3})


def _tonic_axes() -> object:
    from tonic.io import make_structured_array
    from tonic.transforms import ToFrame

    one = make_structured_array(*(np.array([value]) for value in (1, 2, 5, 1)))  # x, y, t, p
    place = np.argwhere(ToFrame(sensor_size=(4, 4, 2), n_event_bins=1)(one))
    return [int(value) for value in place[0]]


def _tonic_order() -> object:
    """The order of files in its CIFAR10-DVS, for a folder that lists them as b, a."""
    from tonic.datasets import CIFAR10DVS

    class Present(CIFAR10DVS):  # type: ignore[misc] # tonic has no types
        def _check_exists(self) -> bool:
            return True

    with TemporaryDirectory() as folder, patch.object(os, "walk", _listing):
        return [Path(path).stem for path in Present(save_to=folder).data]


def _listing(folder: str, *_: object, **__: object) -> list[tuple[str, list[str], list[str]]]:
    return [(f"{folder}/airplane", [], ["b.aedat4", "a.aedat4"])]


def _resized(**options: bool) -> list[float]:
    """A 4 x 4 tensor, resized to 2 x 2 by torchvision."""
    import torch
    from torchvision.transforms.functional import resize

    picture = torch.arange(16.0).reshape(1, 4, 4) ** 2
    return [round(float(value), 4) for value in resize(picture, [2, 2], **options).flatten()]


def _resize_default() -> object:
    return "antialiased" if _resized() == _resized(antialias=True) != _resized(antialias=False) else "not antialiased"


def _resize_plain() -> object:
    return _resized(antialias=False)


def spikingjelly(name: str) -> ModuleType:
    """A module of its datasets, without importing the package, whose audio part needs a torchaudio that matches
    torch."""
    spec = find_spec("spikingjelly")
    assert spec is not None, "installed"
    assert spec.origin is not None, "a package of files"
    package = ModuleType("spikingjelly.datasets")
    package.__path__ = [str(Path(spec.origin).parent / "datasets")]
    sys.modules.setdefault("spikingjelly.datasets", package)
    return import_module(f"spikingjelly.datasets.{name}")


def _spikingjelly_slices() -> object:
    place = np.arange(7)
    events = {"t": place, "x": place % 4, "y": place * 0, "p": place * 0 + 1}
    frames = spikingjelly("utils").integrate_events_by_fixed_frames_number(events, "number", 3, 4, 4)
    return [int(frame.sum()) for frame in frames]


def _spikingjelly_axes() -> object:
    """x, y and polarity as read, for an event with the address x 3, y 100, polarity 1."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.aedat"
        path.write_bytes(b"#!AER-DAT2.0\r\n" + (100 << 8 | 3 << 1 | 1).to_bytes(4) + (9).to_bytes(4))
        events = spikingjelly("cifar10_dvs")._load_origin_data(path)
    return [int(events[name][0]) for name in "xyp"]


CANARIES = (
    Canary(
        name="tonic-remainder",
        package="tonic",
        rule="ToFrame(n_event_bins=T) drops the remainder: 6 of 7 events are in 3 frames",
        moves="up to T - 1 events of every recording, and with them the size of every slice",
        probe=_tonic_bins,
        pinned=6,
    ),
    Canary(
        name="tonic-incomplete-slice",
        package="tonic",
        rule="ToFrame(event_count=N) drops the last incomplete slice: 6 of 7 events are in slices of 3",
        moves="up to N - 1 events, and the number of frames, of every recording",
        probe=_tonic_count,
        pinned=6,
    ),
    Canary(
        name="tonic-empty",
        package="tonic",
        rule="a recording without events is 3 empty frames by bins, 1 by count or time",
        moves="what becomes of a damaged recording: zeros to train on, and nobody is told",
        probe=_tonic_empty,
        pinned=[(3, 2, 4, 4, 0), (1, 2, 4, 4, 0), (1, 2, 4, 4, 0)],
    ),
    Canary(
        name="tonic-axes",
        package="tonic",
        rule="an event x 1, y 2, polarity 1 is counted at [frame 0, polarity 1, row 2, column 1]",
        moves="the picture (turned or mirrored) and the meaning of the two channels",
        probe=_tonic_axes,
        pinned=[0, 1, 2, 1],
    ),
    Canary(
        name="tonic-file-order",
        package="tonic",
        rule="CIFAR10DVS keeps files in the order of the file system, unsorted",
        moves="which recordings train and which test, from machine to machine, under any split by position",
        probe=_tonic_order,
        pinned=["b", "a"],
    ),
    Canary(
        name="torchvision-antialias",
        package="torchvision",
        rule="resize antialiases tensors unless told otherwise; it did not when the paper was written",
        moves="every input that is resized by the default (up to 0.287 of noise in [0, 1] from 128 to 64 pixels)",
        probe=_resize_default,
        pinned="antialiased",
    ),
    Canary(
        name="torchvision-mean",
        package="torchvision",
        rule="resize to a half with antialias=False is the mean of 2 x 2 pixels",
        moves="what our sums of 2 x 2 pixels stand for: the authors' input",
        probe=_resize_plain,
        pinned=[10.5, 24.5, 114.5, 160.5],
    ),
    Canary(
        name="spikingjelly-remainder",
        package="spikingjelly",
        rule="7 events in 3 frames by number are 2, 2 and 3: the last takes the remainder",
        moves="the framing rule that the authors used, which is ours",
        probe=_spikingjelly_slices,
        pinned=[2, 2, 3],
    ),
    Canary(
        name="spikingjelly-axes",
        package="spikingjelly",
        rule="CIFAR10-DVS is read as x = 127 - y, y = 127 - x, polarity = 1 - p",
        moves="the orientation and polarity that the authors trained on, which are ours",
        probe=_spikingjelly_axes,
        pinned=[27, 124, 0],
    ),
)
