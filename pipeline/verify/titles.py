"""What a report calls its data: a title of the catalog, and `published`, hold only for what the catalog pins."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pipeline.data.store import SPLITS, Split
from pipeline.download.catalog import Entry
from pipeline.download.title import entry_titled, title_of_entry, title_of_files
from pipeline.evaluate.record import Record
from pipeline.ground.differences import value_differences
from pipeline.judge.chain import Break
from pipeline.judge.matching import name_of
from pipeline.report.bundle import EVIDENCE
from pipeline.verify.report_folder import ReportFolder, strict_manifest


def titles(report: ReportFolder) -> Iterator[Break]:
    """Both splits of each dataset are called what their rows, and in a checkout the raw files, entitle them to."""
    for dataset in _datasets(report):
        raw = {} if report.root is None else asdict(title_of_files(dataset, report.root / "data" / "raw" / dataset))
        for split in SPLITS:
            manifest = _manifest(report, dataset, split)
            file = report.name(report.evidence / "data" / "arrow" / dataset / f"{split}.json")
            yield from _breaks(_entitled(manifest, split), manifest, file, "by the catalog")
            yield from _breaks(raw, manifest, file, "as the raw files give it")
    for record in report.audit.recorded:
        for split in SPLITS:
            file, said = f"{EVIDENCE}/results/{name_of(record)}", _recorded(record, split)
            yield from _breaks(_entitled(said, split), said, file, "by the catalog")


def unpinned_titles(report: ReportFolder) -> Iterator[str]:
    """Titles of the catalog that no digest in the report's folder shows to be right."""
    for dataset in _datasets(report):
        manifest = _manifest(report, dataset, "test")
        entry = _entry(manifest)
        if report.root is None and entry is not None and not _rows_are_pinned(entry, manifest):
            yield f"{dataset}: that it is {entry.title} rests on its raw files: not looked at; --root hashes them"
    for title in sorted(set(_unpinned(report.audit.recorded))):
        yield f"{title}: that recorded results are of it is what they say: neither rows nor raw files are here"


def _unpinned(recorded: list[Record]) -> Iterator[str]:
    """Titles of the catalog of recorded results on rows that it does not pin."""
    for said in (_recorded(record, "test") for record in recorded):
        entry = _entry(said)
        if entry is not None and not _rows_are_pinned(entry, said):
            yield entry.title


def _recorded(record: Record, split: Split) -> dict[str, Any]:
    """What a result says of a split, as a manifest has it."""
    return record.dataset | {"digest": record.digests[f"{split}_rows"]}


def _datasets(report: ReportFolder) -> list[str]:
    return sorted({str(record.dataset["name"]) for record in report.audit.records})


def _manifest(report: ReportFolder, dataset: str, split: Split) -> dict[str, Any]:
    return asdict(strict_manifest(report.evidence / "data" / "arrow" / dataset / f"{split}.json"))


def _entry(manifest: dict[str, Any]) -> Entry | None:
    """The published or embedded dataset that a split says, or seems, to be of."""
    entry = entry_titled(str(manifest["title"]))
    return None if entry is None or entry.origin == "user" else entry


def _entitled(manifest: dict[str, Any], split: Split) -> dict[str, Any]:
    """What a split with this title has to say; a title that only looks like one of the catalog is none."""
    entry = _entry(manifest)
    if entry is None:
        return {"published": False}
    rows = {"digest": entry.pinned.rows[split]} if entry.pinned and _rows_are_pinned(entry, manifest) else {}
    return asdict(title_of_entry(entry)) | rows


def _rows_are_pinned(entry: Entry, manifest: dict[str, Any]) -> bool:
    return entry.pinned is not None and list(entry.pinned.sample_shape) == manifest["sample_shape"]


def _breaks(expected: dict[str, Any], manifest: dict[str, Any], file: str, why: str) -> Iterator[Break]:
    for where, one, other in value_differences(expected, {key: manifest.get(key) for key in expected}):
        yield Break(link="title", file=file, expected=f"{where} {one} {why}", found=str(other))
