"""Datasets that are generated from installed packages, and parameters that contradict each other."""

import os
from pathlib import Path

import pytest

from pipeline.download.embedded import DIGITS_SHA256
from pipeline.download.fetch import fetch
from pipeline.download.title import title_of_files
from pipeline.ground.errors import InputError
from pipeline.ground.params import CameraParams, DownloadParams
from tests.download.made import params

CAMERA = CameraParams(
    recordings_per_class=1,
    loops=1,
    loop_ms=20,
    amplitude_pixels=4,
    contrast_threshold=0.5,
    threshold_mismatch=0.0,
    refractory_us=300,
    noise_hz=0.0,
    seed=0,
)


def test_the_digits_are_those_of_scikit_learn(into: Path) -> None:
    source, _ = fetch("digits", params("digits"), into)
    assert source.files == {"digits.csv.gz": DIGITS_SHA256}
    assert title_of_files("digits", into).published


@pytest.mark.parametrize(
    ("download", "message"),
    [
        (params("cifar11"), "catalog: unknown entry 'cifar11'; the catalog has digits,"),
        (params("digits", "/somewhere"), "source: digits is made from installed packages"),
        (params("digits", camera=CAMERA), "camera: required for digits-dvs"),
        (params("digits-dvs"), "camera: required for digits-dvs"),
        (params("recordings"), "source: recordings is your own data"),
        (params("parquet-images"), "source: parquet-images is your own data"),
        (params("cifar10-dvs", altered=True), "altered: only for a published dataset whose `source` is set"),
        (params("recordings", "/somewhere", altered=True), "altered: only for a published dataset"),
        (params("cifar10", "/somewhere", altered=True), "altered: CIFAR-10 is published as Python pickles"),
    ],
)
def test_parameters_that_do_not_fit_together_are_named(into: Path, download: DownloadParams, message: str) -> None:
    with pytest.raises(InputError) as error:
        fetch("mine", download, into)
    assert f"datasets.mine.download.{message}" in str(error.value)
    assert not list(into.iterdir())


def test_simulated_recordings_do_not_depend_on_the_number_of_processes(
    into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, _ = fetch("digits-dvs", params("digits-dvs", camera=CAMERA), into)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    (tmp_path / "again").mkdir()
    assert fetch("digits-dvs", params("digits-dvs", camera=CAMERA), tmp_path / "again")[0] == many
    title = title_of_files("digits-dvs", into)
    assert (title.title, title.published) == ("Digits-DVS (simulated) (altered)", False)  # of another camera
    # scikit-learn's digits begin with 0 to 9 in order
    assert list(many.files) == [f"{digit}/{digit}_{digit:04d}.aedat" for digit in range(10)]
    assert len(set(many.files.values())) == 10
    assert (into / "3" / "3_0003.aedat").read_bytes().startswith(b"#!AER-DAT2.0")


def test_more_digits_than_there_are_is_an_error(into: Path) -> None:
    camera = CAMERA.model_copy(update={"recordings_per_class": 175})
    with pytest.raises(InputError, match="recordings_per_class is 175, but a class has only 174 digits"):
        fetch("digits-dvs", params("digits-dvs", camera=camera), into)
