"""Converts a dataset into Arrow shards. The bytes do not depend on the number of workers or on interruptions."""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.cluster.storage import Storage, folder_storage
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
from pipeline.download.layout import split_files
from pipeline.download.listing import Member
from pipeline.download.source import SOURCE_FILE, read_source
from pipeline.download.title import Title, title_of_files
from pipeline.ground.code import code_digest
from pipeline.ground.errors import InputError, RecordingError
from pipeline.ground.files import whole_folder
from pipeline.ground.params import ClusterParams, FolderSplit, PreprocessParams
from pipeline.ground.paths import ROOT
from pipeline.ground.schema import as_json
from pipeline.ground.stage_record import code_of
from pipeline.preprocess.converted import check_names, check_stated, take_shards
from pipeline.preprocess.frames import FRAMING_RULE, framing_rule, scale
from pipeline.preprocess.images import read_images
from pipeline.preprocess.labels import class_names
from pipeline.preprocess.parquet_events import EventRow, event_rows, read_event_table
from pipeline.preprocess.samples import reading_of
from pipeline.preprocess.shards import Part, Summary, make_shards, read_summary
from pipeline.preprocess.splits import classes_of, split_recordings
from pipeline.preprocess.stored import AHEAD, StoredMember

Made = tuple[Manifest, list[Content]]


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What becomes shards, and how."""

    dataset: str
    title: Title
    entry: Entry
    params: PreprocessParams


def preprocess(
    dataset: str, raw: Path, params: PreprocessParams, cluster: ClusterParams, into: Path, work: Path
) -> list[Manifest]:
    """Writes both splits of a dataset into the folder `into`; returns their manifests. Raises InputError.

    Finished shards are first collected in a subfolder of `work`, so that an interrupted run resumes with the rest.
    """
    title = title_of_files(dataset, raw)
    entry = CATALOG[read_source(raw).catalog]
    check_preprocess(dataset, entry, params)
    params = params.model_copy(update={"sensor": params.sensor or entry.sensor})
    what = Conversion(dataset=dataset, title=title, entry=entry, params=params)
    folder = work / f"{dataset}-{identity_of(params, (raw / SOURCE_FILE).read_bytes())}"
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(dataset, folder)
    if entry.kind == "images":
        made = _images(what, raw, folder)
    elif entry.decoder == "shards":
        made = _converted(what, raw, folder)
    else:
        made = _recordings(what, raw, cluster, folder)
    manifests = [manifest for manifest, _ in made]
    with whole_folder(into) as temporary:
        for manifest in manifests:
            for index in range(manifest.shards):
                name = shard_name(manifest.split, index, manifest.shards)
                shutil.move(folder / name, temporary / name)
        describe_shards(made, temporary)
    shutil.rmtree(folder)
    return manifests


def _remove_leftovers(dataset: str, folder: Path) -> None:
    """Removes unfinished files, and the shards of an interrupted run with other parameters, source or code."""
    for leftover in folder.glob(".*"):
        leftover.unlink()
    ours = re.compile(rf"{re.escape(dataset)}-[0-9a-f]{{16}}")
    for other in folder.parent.iterdir():
        if ours.fullmatch(other.name) and other != folder:
            shutil.rmtree(other)
            print(f"{other}: removed, shards of an interrupted run of something else", flush=True)


def describe_shards(made: list[Made], folder: Path) -> None:
    """Writes the manifests and contents.arrow of finished shards."""
    for manifest, _ in made:
        write_manifest(manifest, folder)
    write_contents({manifest.split: contents for manifest, contents in made}, folder)


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
    _check_recordings_only(where, entry, params)


def _check_recordings_only(where: str, entry: Entry, params: PreprocessParams) -> None:
    for key in ("window", "sensor", "stream"):
        if getattr(params, key) is not None and (entry.origin != "user" or entry.kind != "recordings"):
            raise InputError(f"{where}.{key}: only the user's own recordings have it; set it to null")
    if params.stream is not None and entry.decoder == "parquet":
        raise InputError(f"{where}.stream: a row of a Parquet file has one stream; set it to null")


def identity_of(params: PreprocessParams, source: bytes) -> str:
    """Digest of what describes the recordings, the parameters and the stage's code; names the folder of finished
    shards."""
    code = code_digest(code_of("preprocess", ROOT))
    parts = [source, params.model_dump_json().encode(), code.encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _images(what: Conversion, raw: Path, folder: Path) -> list[Made]:
    """Writes the shards of images. Done in this process: decoding 60,000 images is faster than starting a cluster."""
    with _from_a_copy(what, InputError):
        images, classes = read_images(raw, what.entry, what.params.split)
    made = []
    for split in SPLITS:
        rows, about = images[split], _about(what, split, classes)
        shards = _blocks(len(rows), what.params.shards)
        written = []
        for index, block in enumerate(shards):
            path = folder / shard_name(split, index, len(shards))
            written += write_shard((rows[i] for i in block), path, "images", what.params.compression, about)
        made.append(_manifest(what, split, classes, len(shards), [Summary.of(written)]))
    return made


def _converted(what: Conversion, raw: Path, folder: Path) -> list[Made]:
    """Takes shards that were made elsewhere, after checking them."""
    taken = {split: take_shards(what.dataset, raw, split, what.params, folder) for split in SPLITS}
    check_names(raw, taken, what.entry, what.params)
    made = []
    for split, (stated, summary) in taken.items():
        made.append(_manifest(what, split, tuple(stated.classes), stated.shards, [summary]))
        check_stated(raw / f"{split}.json", stated, made[-1][0])
    return made


def _recordings(what: Conversion, raw: Path, cluster: ClusterParams, folder: Path) -> list[Made]:
    entry, rule = what.entry, what.params.split
    with _from_a_copy(what, InputError):
        rows = entry.decoder == "parquet"
        samples = _rows(raw, entry, rule) if rows else labelled(listing.members(raw, entry.suffixes), entry, rule)
    with _from_a_copy(what, RecordingError):
        return make_recordings(what, samples, cluster, folder_storage(folder))


def make_recordings(what: Conversion, samples: "Samples", cluster: ClusterParams, target: Storage) -> list[Made]:
    """Makes the shards of recordings that `target` lacks; returns what describes all. Raises InputError."""
    members, labels, classes = samples
    parts: dict[Split, list[Part]] = {}
    for name in SPLITS:
        blocks = _blocks(len(labels[name]), what.params.shards)
        parts[name] = [
            Part(
                target=target,
                name=shard_name(name, index, len(blocks)),
                members=members[name][block[0] : block[-1] + 1],
                labels=labels[name][block[0] : block[-1] + 1],
                params=what.params,
                orientation=what.entry.orientation,
                about=_about(what, name, classes),
            )
            for index, block in enumerate(blocks)
        ]
    make_shards(what.dataset, [part for name in SPLITS for part in parts[name]], cluster)
    with ThreadPoolExecutor(AHEAD) as pool:
        summaries = {name: list(pool.map(read_summary, parts[name])) for name in SPLITS}
    Summary.together([*summaries["train"], *summaries["test"]])  # checks that both splits have the same sensor
    return [_manifest(what, name, classes, len(parts[name]), summaries[name]) for name in SPLITS]


Samples = tuple[Mapping[Split, Sequence[Member | StoredMember | EventRow]], dict[Split, list[int]], tuple[str, ...]]
"""The recordings of each split, their labels, and the class names."""


def labelled(members: Sequence[Member | StoredMember], entry: Entry, rule: str | FolderSplit) -> Samples:
    """Recordings that are a file each, with the labels and the split that follow from their names."""
    found = {member.id: member for member in members}
    split = split_recordings(list(found), rule, entry)
    classes = classes_of(split, entry)
    chosen = {name: [found[sample.id] for sample in split[name]] for name in SPLITS}
    return chosen, {name: [classes.index(sample.class_name) for sample in split[name]] for name in SPLITS}, classes


def _rows(raw: Path, entry: Entry, rule: str | FolderSplit) -> Samples:
    files, _ = split_files(raw, listing.members(raw, entry.suffixes))
    tables = {name: [read_event_table(member) for member in files[name]] for name in SPLITS}
    classes = class_names(tables, entry.sample)
    labels = {name: [label for table in tables[name] for label in table.labels if label is not None] for name in SPLITS}
    return {name: event_rows(tables[name]) for name in SPLITS}, labels, classes


@contextmanager
def _from_a_copy(what: Conversion, kind: type[InputError]) -> Iterator[None]:
    """Adds to an error in the user's own data how to update the copy that this stage reads."""
    try:
        yield
    except kind as error:
        if what.entry.origin != "user":
            raise
        command = f".venv/bin/dvc repro --force download@{what.dataset}"
        then = f"If you change files of datasets.{what.dataset}.download.source, run: {command}, then make repro"
        raise kind(f"{error}\n{then}") from None


def _blocks(samples: int, shards: int) -> list[np.ndarray]:
    """Indices of the samples of each shard: contiguous, sizes differ by at most one, none empty."""
    if samples == 0:
        raise InputError("a split has no samples; check preprocess.split and the downloaded files")
    return np.array_split(np.arange(samples), min(shards, samples))


def _about(what: Conversion, split: Split, classes: tuple[str, ...]) -> dict[str, str]:
    """Metadata of each shard of a split."""
    return {
        "dataset": what.dataset,
        "title": what.title.title,
        "split": split,
        "split_rule": _rule_name(what.params.split),
        "framing_rule": FRAMING_RULE if what.params.frames is not None else "none",
        "classes": json.dumps(classes),
    }


def _rule_name(rule: str | FolderSplit) -> str:
    return rule if isinstance(rule, str) else f"folders: {rule.train} trains, {rule.test} tests"


def _manifest(what: Conversion, split: Split, classes: tuple[str, ...], shards: int, summaries: list[Summary]) -> Made:
    """The manifest and the contents of a split, from the summaries of its shards."""
    whole, title, params = Summary.together(summaries), what.title, what.params
    manifest = Manifest(
        version=VERSION,
        dataset=what.dataset,
        title=title.title,
        note=title.note,
        licence=title.licence,
        citation=title.citation,
        published=title.published,
        kind="images" if what.entry.kind == "images" else "frames",
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
        framing=None if params.size is None else as_json(reading_of(params, what.entry.orientation)),
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
