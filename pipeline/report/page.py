"""The report as one self-contained HTML page and as Markdown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.evaluate.predictions import read_predictions
from pipeline.evaluate.record import Record
from pipeline.ground.names import markdown
from pipeline.ground.stage_record import RECORDS, StageRecord
from pipeline.judge.answered import SCORED, answers_path
from pipeline.judge.audit import Audit, run_folder
from pipeline.judge.chain import read_stage_records
from pipeline.judge.claims import AccuracyClaim, Claim
from pipeline.judge.matching import name_of
from pipeline.judge.measured import MEASURED
from pipeline.judge.seal import seal_lines
from pipeline.judge.verdicts import Judgement
from pipeline.protocol.bands import Band
from pipeline.protocol.curves import curves_path, read_curves
from pipeline.report import figures
from pipeline.report.brief import brief
from pipeline.report.bundle import EVIDENCE, PICTURES, PREDICTIONS, RUN_FILES
from pipeline.report.evidence import Evidence, evidence_of, examined_claims
from pipeline.report.forensics import Forensics, say_all, say_cell, say_scoring
from pipeline.report.handouts import handouts
from pipeline.report.pictures import Example, examples
from pipeline.report.recorded_groups import RecordedGroup, recorded_groups
from pipeline.report.split_manifest import SplitManifest
from pipeline.report.study.html import StudyPage, make_study_page
from pipeline.report.summary import ORIGINS, WORDS, by_dataset, by_verdict, headline, summary
from pipeline.report.undecided import Undecided, undecided

_TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("tables.js", "charts.js")


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """One training as the report shows it."""

    record: Record
    examples: list[Example]
    """Only for the first run of a dataset; the others have the same test samples."""
    charts: dict[str, figures.Spec]
    """Vega-Lite specifications by chart name."""
    evidence: Evidence

    @property
    def name(self) -> str:
        return f"{self.record.experiment}-{self.record.seed}"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that the templates show."""

    audit: Audit
    judged: list[tuple[Claim, Judgement]]
    headline: dict[str, list[tuple[AccuracyClaim, Judgement]]]
    """The paper's accuracies by dataset."""
    undecided: dict[str, Undecided]
    """For each accuracy of the paper that was not run, by claim id: the run that would decide it."""
    summary: dict[str, int | str]
    """Values that the first screen shows, by name."""
    runs: list[RunSection]
    recorded: list[RecordedGroup]
    """Results of other profiles that are not on the study's page."""
    study: StudyPage
    charts: dict[str, figures.Spec]
    """Vega-Lite specifications of charts about all claims or runs."""
    files: dict[str, dict[str, str]]
    """For each record in results/: description and path in the report's folder of each of its files."""
    stages: list[StageRecord]
    splits: list[SplitManifest]
    forensics: list[tuple[Claim, Forensics]]
    """Forensics of the numbers that the paper prints."""
    seal: list[str]
    """Lines: whether these runs were sealed, then each difference."""

    @property
    def notes(self) -> dict[str, str]:
        """Notes on this profile's data, by title."""
        return notes_of(self.audit.records)

    @property
    def recorded_notes(self) -> dict[str, str]:
        """Notes on the data of other profiles, by title."""
        return notes_of(group.first for group in self.recorded)

    @property
    def versions(self) -> dict[str, list[str]]:
        """Stages by the versions of Python and packages that they ran with (as text)."""
        found: dict[str, list[str]] = {}
        for stage in self.stages:
            packages = [f"{name} {version}" for name, version in stage.packages.items()]
            found.setdefault(", ".join([f"Python {stage.python}", *packages]), []).append(stage.stage)
        return found


def notes_of(records: Iterable[Record]) -> dict[str, str]:
    return {str(one.dataset["title"]): str(one.dataset["note"]) for one in records if one.dataset["note"]}


def make_page(audit: Audit, root: Path, splits: list[SplitManifest]) -> Page:
    """Gathers what the report shows from its evidence, which lies below `root`."""
    study = make_study_page(audit.recorded, audit.unchecked, audit.hits)
    return Page(
        audit=audit,
        judged=by_verdict(audit),
        headline=by_dataset(audit),
        undecided=_undecided(audit, root),
        summary=summary(audit),
        runs=_runs(audit.records, root),
        recorded=[
            *recorded_groups((one for one in audit.recorded if not study.has(one)), checked=True),
            *recorded_groups((one for one in audit.unchecked if not study.has(one)), checked=False),
        ],
        study=study,
        charts={"claims": figures.claims_chart(audit)},
        files=_files(audit),
        stages=read_stage_records(root / RECORDS, audit.stages),
        splits=splits,
        forensics=examined_claims(audit.claims),
        seal=seal_lines(root, audit),
    )


def _runs(records: list[Record], root: Path) -> list[RunSection]:
    """One section per training."""
    shown, pictured = [], set[str]()
    for record in records:
        folder, dataset = root / run_folder(record), str(record.dataset["name"])
        new = dataset not in pictured
        pictured.add(dataset)
        pictures = examples(folder / PICTURES, read_predictions(folder / PREDICTIONS)) if new else []
        evidence = evidence_of(record)
        charts = _charts(record, evidence, folder / "history.csv", root)
        shown.append(RunSection(record=record, examples=pictures, charts=charts, evidence=evidence))
    return shown


def _undecided(audit: Audit, root: Path) -> dict[str, Undecided]:
    found = {
        claim.id: undecided(claim, audit, root)
        for claim, judgement in headline(audit)
        if judgement.verdict == "NOT RUN"
    }
    return {name: one for name, one in found.items() if one is not None}


def _charts(record: Record, evidence: Evidence, history: Path, root: Path) -> dict[str, figures.Spec]:
    charts = {
        "training": figures.training_chart(history, band_of(record, root / "results")),
        "steps": figures.steps_chart(record),
        "confusion": figures.confusion_chart(record),
        "firing": figures.firing_chart(record),
    }
    if evidence.operations:
        charts["operations"] = figures.operations_chart(evidence.operations)
    return charts


def _files(audit: Audit) -> dict[str, dict[str, str]]:
    """Files of the evidence for each result."""
    names = {"predictions.parquet": "predictions", "history.csv": "history", "config.json": "configuration"}
    files = {MEASURED.name: {"measurement": f"{EVIDENCE}/{MEASURED.as_posix()}"}}
    for record in (*audit.held, *audit.unchecked):
        name, folder = name_of(record), f"{EVIDENCE}/{run_folder(record).as_posix()}"
        files[name] = {"result": f"{EVIDENCE}/results/{name}"}
        if record in audit.held:
            files[name]["answers"] = f"{EVIDENCE}/{answers_path(record).as_posix()}"
        if record in audit.records:
            files[name] |= {names[file]: f"{folder}/{file}" for file in sorted(RUN_FILES, reverse=True)}
            files[name]["model card"] = f"models/{record.experiment}-{record.seed}.md"
    return files


def band_of(record: Record, results: Path) -> Band:
    """Expected range of a run's training accuracy, from recorded curves of its recipe; empty if there are none."""
    curves = read_curves(curves_path(results, record.experiment))
    if curves is None or curves.differences(record.network, record.training, record.digests["train_rows"]):
        return []
    return curves.band("train_accuracy", record.seed)


def page_files(page: Page, vega: str) -> dict[str, bytes]:
    """index.html, report.md and the handouts, by path; `vega` is the script that draws the charts."""
    text = _html("report.html.j2", page, vega)
    text_only = _environment().get_template("report.md.j2").render(page=page)
    files = {"index.html": text, "report.md": text_only.encode(), **handouts(page.audit)}
    return files | ({"study.html": _html("study.html.j2", page, vega)} if page.study.datasets else {})


def _html(template: str, page: Page, vega: str) -> bytes:
    text = (
        _environment()
        .get_template(template)
        .render(
            page=page,
            style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
            vega=vega,
            scripts=[(_TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS],
            origins=ORIGINS,
            order=list(WORDS),
        )
    )
    return text.encode()


def _as_script(value: Any) -> str:
    """JSON that is safe inside a script element: it cannot end the element or open a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "brief": lambda pair: brief(*pair),
        "as_script": _as_script,
    }
    environment.filters |= {"say_all": say_all, "say_cell": say_cell, "say_scoring": say_scoring}
    environment.globals["scored"] = SCORED
    environment.filters["markdown"] = markdown
    environment.filters["sentence"] = lambda text: text[0].upper() + text[1:]
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment
