"""Judges the claims and writes the report: python -m stages.report"""

import argparse
import sys

from pipeline.data.contents import between_parts
from pipeline.ground import paths, stage
from pipeline.ground.files import whole_folder
from pipeline.judge.audit import make_audit
from pipeline.protocol import params
from pipeline.report.brief import brief
from pipeline.report.reproduction import reproduction
from pipeline.report.summary import by_verdict
from pipeline.report.write import split_manifests, write_report


def main() -> None:
    """Writes report/, and prints the verdicts and the warnings."""
    everything = params.load_params()
    current = [paths.result(run.experiment, run.seed) for run in everything.runs.values()]
    audit = make_audit(everything.profile, paths.CLAIMS, paths.ROOT, current)
    with whole_folder(paths.REPORT) as folder:
        broken = write_report(audit, paths.ROOT, folder)
    judged = by_verdict(audit)
    run = [(claim, judgement) for claim, judgement in judged if judgement.verdict != "NOT RUN"]
    for claim, judgement in run:
        print(f"{judgement.verdict:<15} {claim.id}: {brief(claim, judgement)}")
    if len(run) < len(judged):
        print(f"{'NOT RUN':<15} {len(judged) - len(run)} claim(s); the report says what would decide them")
    splits = split_manifests(audit, paths.ROOT)
    shared = [f"{split.dataset}: {same}" for split in splits for same in between_parts(split.duplicates)]
    for line in [*shared, *(f"the chain is broken: {one}" for one in broken)]:
        print(f"WARNING: {line}", file=sys.stderr)
    print(reproduction(paths.ROOT, set(audit.stages)))
    print(f"report: {(paths.REPORT / 'index.html').as_uri()}")


if __name__ == "__main__":
    argparse.ArgumentParser(description="Judges the claims and writes the report.").parse_args()
    stage.run_stage("report", main)
