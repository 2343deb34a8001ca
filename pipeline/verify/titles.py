"""Checks the titles of a report's data: a catalog title, and `published`, require the digests that the catalog pins."""

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
    """Both splits of each dataset have the title that their rows, and with --root the raw files, allow."""
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
    """Catalog titles that no digest in the report's folder confirms."""
    for dataset in _datasets(report):
        manifest = _manifest(report, dataset, "test")
        entry = _entry(manifest)
        if report.root is None and entry is not None and not _rows_are_pinned(entry, manifest):
            yield f"{dataset}: only its raw files can show that it is {entry.title}: not checked; --root hashes them"
    for title in sorted(set(_unpinned(report.audit.recorded))):
        yield f"{title}: recorded results state it, but neither rows nor raw files are here to check it"


def _unpinned(recorded: list[Record]) -> Iterator[str]:
    """Catalog titles of recorded results whose rows the catalog does not pin."""
    for said in (_recorded(record, "test") for record in recorded):
        entry = _entry(said)
        if entry is not None and not _rows_are_pinned(entry, said):
            yield entry.title


def _recorded(record: Record, split: Split) -> dict[str, Any]:
    """A result's statements about a split, with a manifest's keys."""
    return record.dataset | {"digest": record.digests[f"{split}_rows"]}


def _datasets(report: ReportFolder) -> list[str]:
    return sorted({str(record.dataset["name"]) for record in report.audit.records})


def _manifest(report: ReportFolder, dataset: str, split: Split) -> dict[str, Any]:
    return asdict(strict_manifest(report.evidence / "data" / "arrow" / dataset / f"{split}.json"))


def _entry(manifest: dict[str, Any]) -> Entry | None:
    """The published or embedded catalog entry with the split's title, or one that looks like it."""
    entry = entry_titled(str(manifest["title"]))
    return None if entry is None or entry.origin == "user" else entry


def _entitled(manifest: dict[str, Any], split: Split) -> dict[str, Any]:
    """The values that a split with this title must have; a title that only looks like a catalog title is rejected."""
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
