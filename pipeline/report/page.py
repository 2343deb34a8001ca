"""The report: one self-contained page, and the same as Markdown."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.audit import provenance
from pipeline.audit.audit import Audit
from pipeline.audit.canaries import Outcome
from pipeline.audit.chain import stages_of
from pipeline.audit.claims import Claim
from pipeline.audit.forensics import Forensics, say_all, say_cell, say_scoring
from pipeline.audit.ladder import Ladder, ladders
from pipeline.audit.record import Record
from pipeline.audit.splits import SplitManifest
from pipeline.audit.verdicts import Judgement
from pipeline.curves import Band, curves_path, read_curves
from pipeline.files import write_whole
from pipeline.report import figures
from pipeline.report.evidence import Evidence, evidence_of, examined
from pipeline.report.pictures import Example, examples

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training as the report shows it."""

    record: Record
    examples: list[Example]
    charts: dict[str, str]
    """Ids of the charts by what they show."""
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that the templates show."""

    audit: Audit
    judged: list[tuple[Claim, Judgement]]
    runs: list[Run]
    specs: dict[str, figures.Spec]
    """Vega-Lite specifications by the id of their place in the page."""
    commit: provenance.Commit
    reproduction: provenance.Reproduction
    versions: dict[str, str]
    stages: list[dict[str, Any]]
    canaries: list[Outcome]
    splits: list[SplitManifest]
    forensics: list[tuple[Claim, Forensics]]
    """Of the numbers that the paper prints."""
    ladders: list[Ladder]
    """Among the results of this profile and the recorded ones."""
    made: str


def make_page(
    audit: Audit,
    root: Path,
    artifacts: Callable[[str, int], Path],
    runs: Path,
    *,
    canaries: list[Outcome],
    splits: list[SplitManifest],
) -> Page:
    """Gathers what the report shows; `artifacts` gives the folder of an experiment and seed."""
    stages = set(stages_of(audit.records))
    specs = {"claims": figures.claims_chart(audit)}
    shown = []
    for index, record in enumerate(audit.records):
        folder = artifacts(record.experiment, record.seed)
        charts = {
            "training": figures.training_chart(folder / "history.csv", band_of(record, root / "results")),
            "steps": figures.steps_chart(record),
            "confusion": figures.confusion_chart(record),
            "firing": figures.firing_chart(record),
        }
        evidence = evidence_of(record)
        if evidence.operations:
            charts["operations"] = figures.operations_chart(evidence.operations)
        ids = {what: f"{what}-{index}" for what in charts}
        specs |= {ids[what]: spec for what, spec in charts.items()}
        pictures = examples(folder / "examples.parquet", record.dataset["classes"])
        shown.append(Run(record=record, examples=pictures, charts=ids, evidence=evidence))
    return Page(
        audit=audit,
        judged=list(zip(audit.claims, audit.judgements, strict=True)),
        runs=shown,
        specs=specs,
        commit=provenance.commit(root),
        reproduction=provenance.reproduction(root, stages),
        versions=provenance.versions(),
        stages=provenance.stage_records(runs, stages),
        canaries=canaries,
        splits=splits,
        forensics=examined(audit.claims),
        ladders=ladders([*audit.records, *audit.recorded]),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def band_of(record: Record, results: Path) -> Band:
    """Where the training accuracy of a run should lie by the recorded curves of its recipe; empty without them."""
    curves = read_curves(curves_path(results, record.experiment))
    if curves is None or curves.differences(record.network, record.training):
        return []
    return curves.band("train_accuracy", record.seed)


def write_page(page: Page, folder: Path) -> list[Path]:
    """Writes index.html and report.md into `folder`; gives their paths."""
    html = _environment().get_template("report.html.j2")
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "charts.js").read_text(encoding="utf-8")
    text = html.render(
        page=page,
        style=style,
        vega=vl_convert.javascript_bundle(),  # type: ignore[call-arg] # its stub knows no default
        specs=json.dumps(page.specs).replace("</", "<\\/"),  # cannot end the element that it stands in
        script=script,
    )
    write_whole(folder / "index.html", text.encode())
    markdown = _environment().get_template("report.md.j2")
    write_whole(folder / "report.md", markdown.render(page=page).encode())
    return [folder / "index.html", folder / "report.md"]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    environment.filters |= {"say_all": say_all, "say_cell": say_cell, "say_scoring": say_scoring}
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment


def duration(seconds: float) -> str:
    """Seconds as people read them: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
