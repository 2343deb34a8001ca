"""Names of the user's folders, files and classes are plain data in every stage; only ambiguous names are refused."""

import os
import shutil
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.contents import read_contents
from pipeline.data.store import Store
from pipeline.download.listing import members, read_member
from pipeline.evaluate.predictions import About, Predictions, read_predictions
from pipeline.ground.names import file_name, label, labels, markdown, one_spelling, shown
from pipeline.ground.params import DownloadParams, FolderSplit
from tests.preprocess.made import PARAMS, contents, download, error_of, record, run

NAMES = (
    *(
        "a b",
        "a.b",
        "x@y",
        "übung",
        "日本",
        "a;touch pwn",
        "$(touch pwn)",
        "`touch pwn`",
        "it's",
        '"&',
        "<b>",
        "<script>",
    ),
    *("<!--<script>", "{{7*7}}", "${key}", "=1+1", "-n", "[x]", "*", "?", "#1", "100%41", "a|b", "_a_", "C:", "~"),
    *("con", "e\u0301"),
)
"""Each is a class; the last is in the form of Unicode that macOS writes."""
IN_NFC = sorted(unicodedata.normalize("NFC", name) for name in NAMES)


def recordings(folder: Path, names: tuple[str, ...], *, each: int = 5) -> Path:
    """Recordings of every class, whose files have its name too."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            record(folder / name / f"{name} {index}.aedat", place * each + index, events=40)
    return folder


def zipped(source: Path) -> bytes:
    with BytesIO() as memory:
        with zipfile.ZipFile(memory, "w") as archive:
            for path in sorted(path for path in source.rglob("*") if path.is_file()):
                archive.write(path, path.relative_to(source))
        return memory.getvalue()


def tarred(source: Path) -> bytes:
    with BytesIO() as memory:
        with tarfile.open(fileobj=memory, mode="w:gz") as archive:
            for path in sorted(path for path in source.rglob("*") if path.is_file()):
                archive.add(path, path.relative_to(source))
        return memory.getvalue()


def digests(source: Path, folder: Path) -> list[str]:
    return [manifest.digest for manifest in run(download(source, folder / "mine"), folder)]


def test_names_are_data_from_the_download_to_the_predictions(tmp_path: Path) -> None:
    raw = download(recordings(tmp_path / "source", NAMES), tmp_path / "raw" / "mine")
    manifests = run(raw, tmp_path)
    assert [manifest.rows for manifest in manifests] == [4 * len(NAMES), len(NAMES)]
    arrow = tmp_path / "arrow" / "mine"
    store = Store(arrow, "test")
    assert list(store.classes) == IN_NFC
    assert store.ids == sorted(f"{name}/{name} 4.aedat" for name in IN_NFC)
    assert [store.classes[number] for number in store.labels] == [name.split("/")[0] for name in store.ids]
    assert [content.id for content in read_contents(arrow)["test"]] == store.ids
    about = About(experiment="x", seed=0, classes=list(store.classes), model_sha256="m", data_digest=store.digest)
    voltage = np.zeros((len(NAMES), 1, len(NAMES)), np.float32)
    Predictions(about=about, ids=store.ids, labels=store.labels, voltage=voltage).write(tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    assert (read.about, read.ids) == (about, store.ids)
    assert not list(tmp_path.rglob("pwn"))


def test_every_form_of_unicode_and_every_container_gives_the_same_rows(tmp_path: Path) -> None:
    names = ("\u00e9t\u00e9", "\ud55c", "cup")
    composed = recordings(tmp_path / "composed", names)
    expected = digests(composed, tmp_path / "1")
    decomposed = recordings(tmp_path / "decomposed", tuple(unicodedata.normalize("NFD", name) for name in names))
    assert sorted(path.name for path in decomposed.iterdir()) != sorted(path.name for path in composed.iterdir())
    assert digests(decomposed, tmp_path / "2") == expected
    assert contents(tmp_path / "2" / "mine") == contents(tmp_path / "1" / "mine")  # what DVC tracks too
    for number, (suffix, pack) in enumerate(((".zip", zipped), (".tar.gz", tarred))):
        (tmp_path / suffix).mkdir()
        (tmp_path / suffix / f"all{suffix}").write_bytes(pack(decomposed))
        assert digests(tmp_path / suffix, tmp_path / f"3{number}") == expected


def test_a_zip_that_does_not_say_that_its_names_are_utf8(tmp_path: Path) -> None:
    content = bytearray(zipped(recordings(tmp_path / "source", ("übung",), each=1)))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags + 1] &= ~0x08
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "all.zip").write_bytes(content)
    (member,) = members(tmp_path / "packed", (".aedat",))
    assert member.id == "übung/übung 0.aedat"
    assert read_member(member) == (tmp_path / "source" / "übung" / "übung 0.aedat").read_bytes()


# What is refused

WRONG = {
    "no UTF-8": ("l\udce1piz", r"l\xe1piz: it is not UTF-8"),
    "a new line": ("a\nb", r"a\nb: it contains a control character"),
    "an escape": ("a\x1b[2Jb", r"a\x1b[2Jb: it contains a control character"),
    "a C1 control": ("a\x85b", r"a\x85b: it contains a control character"),
    "a line separator": ("a\u2028b", r"a\u2028b: it contains a control character"),
    "a backslash": ("a\\b", r"a\b: it contains a slash or a backslash"),
    "a space before": (" a", " a: it begins or ends with a space"),
    "a space behind": ("a ", "a : it begins or ends with a space"),
    "a dot behind": ("a.", "a.: it ends with a dot"),
}


@pytest.mark.parametrize(("name", "message"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("kind", ["folder", "file", "file that is no sample"])
def test_a_name_that_something_would_lose_is_refused_before_anything_is_copied(
    tmp_path: Path, name: str, message: str, kind: str
) -> None:
    source = recordings(tmp_path / "source", ("cup",), each=1)
    if kind == "folder":
        recordings(source, (name,), each=1)
    else:
        (source / "cup" / name).write_bytes(b"") if kind != "file" else record(source / "cup" / f"{name}.aedat", 0)
        if kind == "file" and name.endswith((" ", ".")):
            pytest.skip("the suffix follows the space")
    said = error_of(lambda: download(source, tmp_path / "raw"))
    if kind == "file":
        message = message.replace(":", ".aedat:", 1)
    assert said.startswith(str(source))
    assert message in said
    assert "rename it" in said
    assert "\n" not in said
    assert said.isprintable()
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_class_folder_in_latin1_is_named(tmp_path: Path) -> None:
    source = recordings(tmp_path / "source", ("cup",))
    os.makedirs(os.fsencode(source) + b"/l\xe1piz")
    for index in range(5):
        record(source / "l\udce1piz" / f"{index}.aedat", index)
    assert error_of(lambda: download(source, tmp_path / "raw")) == (f"{source}/l\\xe1piz: it is not UTF-8; rename it")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize(("name", "message"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(("suffix", "make"), [(".zip", zipfile.ZipFile), (".tar.gz", tarfile.open)])
def test_a_name_in_an_archive_is_refused_alike(
    tmp_path: Path, name: str, message: str, suffix: str, make: Callable[..., object]
) -> None:
    (tmp_path / "packed").mkdir()
    path = tmp_path / "packed" / f"all{suffix}"
    packed_name = f"{name}/1.aedat"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(packed_name.replace("\udce1", "a"), b"x")
        path.write_bytes(path.read_bytes().replace(b"lapiz", b"l\xe1piz"))
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo(packed_name))
    said = error_of(lambda: members(tmp_path / "packed", (".aedat",)))
    assert said.startswith(f"{path}: ")
    assert said.isprintable()
    assert "\\xe1" in said if "\udce1" in name else shown(name) in said
    assert not list((tmp_path / "packed").glob("*/"))


def test_long_names_are_refused_in_archives_and_folders_of_the_longest_are_read(tmp_path: Path) -> None:
    longest = "ü" * 127 + "x"
    assert [member.id.split("/")[0] for member in members(recordings(tmp_path / "a", (longest,), each=0), ())] == []
    assert file_name(longest) == longest
    with pytest.raises(ValueError, match="more than 255 bytes"):
        file_name("ü" * 128)
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "all.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"{'a' * 300}/1.aedat"))
    assert "more than 255 bytes" in error_of(lambda: members(tmp_path / "packed", (".aedat",)))


SAME = {
    "case of a folder": ("Cup/1.aedat", "cup/2.aedat"),
    "case of a file": ("cup/a.aedat", "cup/A.aedat"),
    "case of a suffix": ("cup/a.aedat", "cup/a.AEDAT"),
    "forms of Unicode": ("\u00e9/1.aedat", "e\u0301/2.aedat"),
    "forms and case": ("\u00c9/1.aedat", "e\u0301/2.aedat"),
    "case in another language": ("straße/1.aedat", "STRASSE/2.aedat"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
@pytest.mark.parametrize("suffix", ["", ".zip", ".tar.gz"])
def test_two_names_that_another_file_system_would_mix_are_refused(
    tmp_path: Path, one: str, other: str, suffix: str
) -> None:
    source = tmp_path / "source"
    for number, name in enumerate((one, other)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        record(source / name, number)
    if suffix:
        content = (zipped if suffix == ".zip" else tarred)(source)
        shutil.rmtree(source)
        source.mkdir()
        (source / f"all{suffix}").write_bytes(content)
    said = error_of(lambda: download(source, tmp_path / "raw"))
    assert "differ only in case" in said
    assert list((tmp_path / "raw").iterdir()) == []


def test_one_class_in_a_folder_and_in_an_archive_is_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    record(recordings(source, ("\u00e9",), each=0) / "\u00e9" / "1.aedat", 1)
    record(recordings(tmp_path / "other", ("e\u0301",), each=0) / "e\u0301" / "2.aedat", 2)
    (source / "all.zip").write_bytes(zipped(tmp_path / "other"))
    assert [member.id for member in members(source, (".aedat",))] == ["\u00e9/1.aedat", "\u00e9/2.aedat"]
    record(recordings(tmp_path / "other", ("\u00c9",), each=0) / "\u00c9" / "3.aedat", 3)
    (source / "more.zip").write_bytes(zipped(tmp_path / "other"))
    assert "differ only in case" in error_of(lambda: members(source, (".aedat",)))


def test_classes_that_differ_only_in_case_in_two_folders_are_refused(tmp_path: Path) -> None:
    for name in ("train/Cup", "test/cup"):
        recordings(tmp_path / "source", (name,), each=0)
        record(tmp_path / "source" / name / "1.aedat", len(name))
    raw = download(tmp_path / "source", tmp_path / "mine")
    split = PARAMS.model_copy(update={"split": FolderSplit(train="train", test="test")})
    assert "Cup and cup differ only in case" in error_of(lambda: run(raw, tmp_path, split))
    assert not (tmp_path / "arrow").exists()


def test_a_recording_in_no_folder_has_no_class(tmp_path: Path) -> None:
    recordings(tmp_path / "source", ("cup",))
    record(tmp_path / "source" / "alone.aedat", 0)
    said = error_of(lambda: download(tmp_path / "source", tmp_path / "mine"))
    assert "1 recording(s) are not in a subfolder" in said


def test_folders_that_split_are_found_in_either_form_of_unicode() -> None:
    assert FolderSplit(train="\u00e9", test="x") == FolderSplit(train="e\u0301", test="x")


def test_a_title_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="control character"):
        DownloadParams(catalog="recordings", source="x", title="a\nb")


def test_names_of_labels_may_have_what_file_names_may_not() -> None:
    assert labels("f", ["Aa/Bb sp.", "A", "a", "back\\slash"]) == ("Aa/Bb sp.", "A", "a", "back\\slash")
    assert "two classes are named é" in error_of(lambda: labels("f", ["\u00e9", "e\u0301"]))
    assert error_of(lambda: labels("f", ["a", "b\n"])) == (
        "f: class b\\n: it contains a control character or another invisible one; rename it"
    )


@pytest.mark.parametrize("name", [*NAMES, "a/b", "", " "])
def test_what_is_taken_is_taken_again_as_it_is(name: str) -> None:
    if name.strip():
        assert label(label(name)) == label(name)
    one_spelling([name, name])
    assert shown(markdown(name)) == markdown(name)


def test_a_class_whose_files_are_all_left_out_is_named_before_anything_is_copied(tmp_path: Path) -> None:
    recordings(tmp_path / "source", ("cat", "dog"))
    (tmp_path / "source" / "cup").mkdir()
    (tmp_path / "source" / "cup" / "1.csv").write_bytes(b"x")
    said = error_of(lambda: download(tmp_path / "source", tmp_path / "mine"))
    assert said.startswith(
        f"{tmp_path / 'source' / 'cup'}: no recording in it, but the folders beside it are classes; "
    )
    assert list((tmp_path / "mine").iterdir()) == []
    (tmp_path / "source" / "cup" / "1.csv").rename(tmp_path / "source" / "notes.txt")
    (tmp_path / "source" / "cup").rmdir()
    download(tmp_path / "source", tmp_path / "again")


def test_what_nobody_sees_is_no_part_of_a_name() -> None:
    for name in ("cat\u200b", "\u202ecat", "c\u00adat"):
        assert "another invisible one" in error_of(lambda name=name: labels("f", [name]))
    assert labels("f", ["\u0915\u094d\u200d\u0937"]) == ("\u0915\u094d\u200d\u0937",)  # a joiner within a word
