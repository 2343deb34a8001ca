"""The report's folder, whole: a function of results, claims, data, the stages' records and packages alone."""

from dataclasses import replace
from pathlib import Path

from pipeline.ground.digests import digest_all, digests_in
from pipeline.ground.stage_record import Plan, path_of
from pipeline.judge.audit import Audit
from pipeline.report.bundle import EVIDENCE, gather, inputs
from pipeline.report.canaries import CanaryOutcome
from pipeline.report.chain import REPORT_STAGE, Break
from pipeline.report.crate import write_crate
from pipeline.report.page import make_page, write_page
from pipeline.report.split_manifest import SplitManifest


def write_report(
    audit: Audit, root: Path, folder: Path, canaries: list[CanaryOutcome], splits: list[SplitManifest]
) -> list[Break]:
    """Fills an empty folder with the page, the verdicts, the evidence of the repository `root` and what lists them.

    Gives the places where the chain of the recorded stages does not hold; a reader is told of them too.
    """
    plan = Plan.read(REPORT_STAGE, root)
    audit.write(folder / "audit.json")
    write_page(make_page(audit, root, canaries, splits), folder)
    written = [replace(file, path=f"{REPORT_STAGE}/{file.path}") for file in digests_in(folder)]
    stages = gather(audit, splits, root, folder)
    record = plan.record(reads=digest_all(root, inputs(audit, root)), writes=written)
    record.write(folder / EVIDENCE / path_of(REPORT_STAGE))
    return write_crate(folder, stages)
