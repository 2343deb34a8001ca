"""Samples with equal content are found, within and across parts, under any name and from any file."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.contents import Same, between_parts, digests, duplicates, read_contents, write_contents
from pipeline.data.store import Content, Row
from pipeline.ground.errors import InputError
from pipeline.protocol.sampler import hold_out
from pipeline.report.split_manifest import split_manifest
from tests.preprocess.made import download, record, run


def content(name: str, pixels: int, *, label: int = 0, source: int = 0) -> Content:
    return Content(name, label, f"{source:064x}", f"{pixels:064x}")


def test_what_stands_twice_is_found_within_and_across() -> None:
    parts = {
        "train": [content("a", 1), content("b", 2), content("c", 1), content("d", 3)],
        "test": [content("e", 2), content("f", 9), content("g", 2)],
    }
    within, between, again = duplicates(parts)
    assert within == Same(part="train", other="train", samples=1, of=4, examples=[("c", "a")])
    assert between == Same(part="test", other="train", samples=2, of=3, examples=[("e", "b"), ("g", "b")])
    assert again == Same(part="test", other="test", samples=1, of=3, examples=[("g", "e")])
    assert between_parts([within, between, again]) == [between]
    assert str(between) == "2 of 3 test samples are also in train: e = b, g = b"
    assert str(within) == "1 of 4 train samples are duplicates within train: c = a"


def test_the_digest_of_a_part_knows_pixels_and_labels_but_no_names_and_no_order() -> None:
    one = digests({"train": [content("a", 1), content("b", 2)]})
    assert digests({"train": [content("x", 2), content("y", 1)]}) == one
    assert digests({"train": [content("a", 1), content("b", 2, label=1)]}) != one
    assert digests({"train": [content("a", 1), content("b", 3)]}) != one


def test_equal_pixels_have_equal_contents_and_another_shape_has_not() -> None:
    def of(pixels: np.ndarray) -> str:
        return Row(id="a", label=0, pixels=pixels, source_sha256="00").content()

    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    assert of(pixels) == of(pixels.transpose(0, 2, 1).copy().transpose(0, 2, 1))
    assert of(pixels) != of(pixels.reshape(4, 2, 2))
    assert of(pixels) != of(pixels + 1)


def test_contents_are_read_back_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    parts = {"train": [content("a", 1, label=3, source=7)], "test": [content("b", 2)]}
    write_contents(parts, tmp_path)
    assert read_contents(tmp_path) == parts
    path = tmp_path / "contents.arrow"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"contents\.arrow: missing or damaged"):
        read_contents(tmp_path)


def test_a_recording_that_trains_and_tests_is_found_by_its_frames(tmp_path: Path) -> None:
    """Ten recordings of a class; the fifth, which tests, has the events of the first and another header."""
    source = tmp_path / "source" / "cup"
    for seed in range(10):
        record(source / f"{seed}.aedat", seed)
    first = (source / "0.aedat").read_bytes()
    (source / "4.aedat").write_bytes(first.replace(b"\r\n", b"\r\n# copied\r\n", 1))
    run(download(tmp_path / "source", tmp_path / "raw"), tmp_path)
    folder = tmp_path / "arrow" / "mine"
    parts = read_contents(folder)
    assert parts["test"][0].source != parts["train"][0].source
    (same,) = duplicates(parts)
    assert str(same) == "1 of 2 test samples are also in train: cup/4.aedat = cup/0.aedat"
    manifest = split_manifest("mine", folder, 25)
    assert manifest.samples == {"train": 6, "validation": 2, "test": 2}
    training, validation = hold_out(np.zeros(8), 25)
    assert manifest.digests["validation"] == digests({"v": [parts["train"][i] for i in validation]})["v"]
    (found,) = between_parts(manifest.duplicates)
    assert (found.part, found.other) == ("test", "train" if 0 in training else "validation")
    assert split_manifest("mine", folder, 0).samples == {"train": 8, "test": 2}
