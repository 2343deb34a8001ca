"""Converts a dataset into Arrow shards. The bytes do not depend on the number of workers or on interruptions."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.data.contents import write_contents
from pipeline.data.counts import Counts, all_left_out, check, in_words, total
from pipeline.data.store import (
    SPLITS,
    VERSION,
    Content,
    Manifest,
    Split,
    rows_digest,
    shard_name,
    write_manifest,
    write_shard,
)
from pipeline.download import listing
from pipeline.download.catalog import CATALOG, Entry
from pipeline.download.source import SOURCE_FILE, read_source
from pipeline.download.title import Title, title_of_files
from pipeline.ground.code import code_digest
from pipeline.ground.errors import InputError, RecordingError
from pipeline.ground.files import whole_folder
from pipeline.ground.params import ClusterParams, FolderSplit, PreprocessParams
from pipeline.ground.paths import ROOT
from pipeline.ground.schema import as_json
from pipeline.ground.stage_record import code_of
from pipeline.preprocess.frames import FRAMING_RULE, framing_rule, scale
from pipeline.preprocess.images import read_images
from pipeline.preprocess.samples import reading_of
from pipeline.preprocess.shards import Part, Summary, make_shards, read_summary
from pipeline.preprocess.splits import classes_of, split_recordings

Made = tuple[Manifest, list[Content]]


def preprocess(
    dataset: str, raw: Path, params: PreprocessParams, cluster: ClusterParams, into: Path, work: Path
) -> list[Manifest]:
    """Writes both splits of a dataset into the folder `into`; returns their manifests. Raises InputError.

    Finished shards are first collected in a subfolder of `work`, so that an interrupted run resumes with the rest.
    """
    title = title_of_files(dataset, raw)
    entry = CATALOG[read_source(raw).catalog]
    check_preprocess(dataset, entry, params)
    folder = work / f"{dataset}-{_identity(raw, params)}"
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*"):
        leftover.unlink()
    if entry.kind == "images":
        made = _images(dataset, raw, title, entry, params, folder)
    else:
        made = _recordings(dataset, raw, title, entry, params, cluster, folder)
    manifests = [manifest for manifest, _ in made]
    with whole_folder(into) as temporary:
        for manifest in manifests:
            for index in range(manifest.shards):
                name = shard_name(manifest.split, index, manifest.shards)
                shutil.move(folder / name, temporary / name)
            write_manifest(manifest, temporary)
        write_contents({manifest.split: contents for manifest, contents in made}, temporary)
    shutil.rmtree(folder)
    return manifests


def check_preprocess(dataset: str, entry: Entry, params: PreprocessParams) -> None:
    """Raises InputError if the parameters do not fit the dataset."""
    where, framing = f"datasets.{dataset}.preprocess", (params.frames, params.size)
    if entry.kind == "images" and framing != (None, None):
        raise InputError(f"{where}: frames and size must be null for images ({entry.title})")
    if entry.kind == "recordings" and None in framing:
        raise InputError(f"{where}: frames and size must be numbers for recordings ({entry.title})")
    if isinstance(params.split, FolderSplit):
        if entry.origin != "user" or entry.class_from != "folder":
            raise InputError(f"{where}.split: only catalog images and catalog recordings can be split by folders")
    elif params.split not in entry.splits:
        raise InputError(f"{where}.split {params.split!r}: expected one of {', '.join(entry.splits)}")
    if params.window is not None and (entry.origin != "user" or entry.kind != "recordings"):
        raise InputError(f"{where}.window: only the user's own recordings can be cut into windows; set it to null")
    if params.sensor is not None and (entry.origin != "user" or entry.kind != "recordings"):
        raise InputError(f"{where}.sensor: only the user's own recordings have it; set it to null")


def _identity(raw: Path, params: PreprocessParams) -> str:
    """Digest of the downloaded files, the parameters and the stage's code; names the folder of finished shards."""
    code = code_digest(code_of("preprocess", ROOT))
    parts = [(raw / SOURCE_FILE).read_bytes(), params.model_dump_json().encode(), code.encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _images(dataset: str, raw: Path, title: Title, entry: Entry, params: PreprocessParams, folder: Path) -> list[Made]:
    """Writes the shards of images. Done in this process: decoding 60,000 images is faster than starting a cluster."""
    with _from_a_copy(dataset, entry, InputError):
        images, classes = read_images(raw, entry, params.split)
    made = []
    for split in SPLITS:
        rows, about = images[split], _about(dataset, title, params, split, classes)
        shards = _blocks(len(rows), params.shards)
        written = []
        for index, block in enumerate(shards):
            path = folder / shard_name(split, index, len(shards))
            written += write_shard((rows[i] for i in block), path, "images", params.compression, about)
        summary = Summary.of(written)
        made.append(_manifest(dataset, title, entry, params, split, classes, len(shards), [summary]))
    return made


def _recordings(
    dataset: str,
    raw: Path,
    title: Title,
    entry: Entry,
    params: PreprocessParams,
    cluster: ClusterParams,
    folder: Path,
) -> list[Made]:
    members = {member.id: member for member in listing.members(raw, entry.suffixes)}
    with _from_a_copy(dataset, entry, InputError):
        split = split_recordings(list(members), params.split, entry)
        classes = classes_of(split, entry)
    parts: dict[Split, list[Part]] = {}
    for name in SPLITS:
        blocks = _blocks(len(split[name]), params.shards)
        parts[name] = [
            Part(
                path=folder / shard_name(name, index, len(blocks)),
                members=[members[split[name][i].id] for i in block],
                labels=[classes.index(split[name][i].class_name) for i in block],
                params=params,
                orientation=entry.orientation,
                about=_about(dataset, title, params, name, classes),
            )
            for index, block in enumerate(blocks)
        ]
    with _from_a_copy(dataset, entry, RecordingError):
        make_shards(dataset, [part for name in SPLITS for part in parts[name]], cluster)
        summaries = {name: [read_summary(part) for part in parts[name]] for name in SPLITS}
        Summary.together([*summaries["train"], *summaries["test"]])  # checks that both splits have the same sensor
    return [
        _manifest(dataset, title, entry, params, name, classes, len(parts[name]), summaries[name]) for name in SPLITS
    ]


@contextmanager
def _from_a_copy(dataset: str, entry: Entry, kind: type[InputError]) -> Iterator[None]:
    """Adds to an error in the user's own data how to update the copy that this stage reads."""
    try:
        yield
    except kind as error:
        if entry.origin != "user":
            raise
        command = f".venv/bin/dvc repro --force download@{dataset}"
        then = f"After changing the folder datasets.{dataset}.download.source, run: {command}, then make repro"
        raise kind(f"{error}\n{then}") from None


def _blocks(samples: int, shards: int) -> list[np.ndarray]:
    """Indices of the samples of each shard: contiguous, sizes differ by at most one, none empty."""
    if samples == 0:
        raise InputError("a split has no samples; check preprocess.split and the downloaded files")
    return np.array_split(np.arange(samples), min(shards, samples))


def _about(
    dataset: str, title: Title, params: PreprocessParams, split: Split, classes: tuple[str, ...]
) -> dict[str, str]:
    """Metadata of each shard of a split."""
    return {
        "dataset": dataset,
        "title": title.title,
        "split": split,
        "split_rule": _rule_name(params.split),
        "framing_rule": FRAMING_RULE if params.frames is not None else "none",
        "classes": json.dumps(classes),
    }


def _rule_name(rule: str | FolderSplit) -> str:
    return rule if isinstance(rule, str) else f"folders: {rule.train} trains, {rule.test} tests"


def _manifest(
    dataset: str,
    title: Title,
    entry: Entry,
    params: PreprocessParams,
    split: Split,
    classes: tuple[str, ...],
    shards: int,
    summaries: list[Summary],
) -> Made:
    whole = Summary.together(summaries)
    manifest = Manifest(
        version=VERSION,
        dataset=dataset,
        title=title.title,
        note=title.note,
        licence=title.licence,
        citation=title.citation,
        published=title.published,
        kind="images" if entry.kind == "images" else "frames",
        split=split,
        split_rule=_rule_name(params.split),
        framing_rule=None if params.size is None else framing_rule(whole.sensor, params.size),
        scale=1 / 255 if params.size is None else scale(min(whole.sensor), params.size),
        classes=list(classes),
        sample_shape=whole.sample_shape,
        shards=shards,
        rows=len(whole.labels),
        rows_per_class=[Counter(whole.labels)[label] for label in range(len(classes))],
        digest=rows_digest(whole.digests),
        sensor=whole.sensor or None,
        framing=None if params.size is None else as_json(reading_of(params, entry.orientation)),
        counts={name: whole.counts[str(label)] for label, name in enumerate(classes)} if whole.counts else None,
    )
    _check_counts(manifest)
    return manifest, whole.contents


def _check_counts(manifest: Manifest) -> None:
    """Raises AssertionError unless every recording, window and event is in a row or left out for a reason."""
    for name, rows in zip(manifest.classes, manifest.rows_per_class, strict=True):
        counts: Counts = (manifest.counts or {}).get(name, {})
        check(counts, f"{manifest.dataset}: {manifest.split}: {name}")
        if counts and rows != counts.get("windows used", counts["recordings used"]):
            raise AssertionError(
                f"{manifest.dataset}: {manifest.split}: {name} has {rows} rows, its counts are {counts}"
            )


def in_lines(manifest: Manifest) -> list[str]:
    """Lines that say what a split contains, what was left out and why; one line per class with something left out."""
    lines = [f"{manifest.dataset}: {manifest.split}: {manifest.rows:,} samples of {len(manifest.classes)} classes"]
    if manifest.counts is None:
        return lines
    lines.append(f"  {in_words(total(manifest.counts.values()))}")
    if manifest.framing_rule != FRAMING_RULE:
        lines.append(f"  framing: {manifest.framing_rule}")
    return lines + [f"  {name}: {in_words(counts)}" for name, counts in manifest.counts.items() if all_left_out(counts)]
