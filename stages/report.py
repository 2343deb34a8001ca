"""Judges the claims and writes the report: python -m stages.report"""

import argparse

from pipeline import params, paths, stage
from pipeline.audit.audit import make_audit
from pipeline.report.page import make_page, write_page


def main() -> None:
    """Writes results/audit.json, report/index.html and report/report.md."""
    everything = params.load()
    current = [paths.result(run.experiment, run.seed) for run in everything.runs.values()]
    audit = make_audit(everything.profile, paths.CLAIMS, paths.RESULTS, current)
    audit.write(paths.RESULTS / "audit.json")
    write_page(make_page(audit, paths.ROOT, paths.artifacts, paths.RUNS), paths.REPORT)
    for judgement in audit.judgements:
        print(f"{judgement.verdict:<15} {judgement.claim}: {judgement.reason}")
    print(f"report: {(paths.REPORT / 'index.html').as_uri()}")


if __name__ == "__main__":
    argparse.ArgumentParser(description="Judges the claims and writes the report.").parse_args()
    stage.run("report", main)
