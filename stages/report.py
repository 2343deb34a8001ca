"""Judges the claims and writes the report: python -m stages.report"""

import argparse
import sys

from pipeline.data.contents import across
from pipeline.ground import paths, stage
from pipeline.judge.audit import Audit, make_audit
from pipeline.protocol import params
from pipeline.report.bundle import gather, inputs
from pipeline.report.canaries import changed, run_canaries
from pipeline.report.crate import write_crate
from pipeline.report.page import make_page, write_page
from pipeline.report.split_manifest import SplitManifest, split_manifest


def judged(everything: params.Params) -> Audit:
    current = [paths.result(run.experiment, run.seed) for run in everything.runs.values()]
    return make_audit(everything.profile, paths.CLAIMS, paths.RESULTS, current)


def main() -> stage.Done:
    """Writes results/audit.json, report/index.html and report/report.md."""
    everything = params.load()
    audit = judged(everything)
    audit.write(paths.RESULTS / "audit.json")
    canaries, splits = run_canaries(), split_manifests(everything)
    page = make_page(audit, paths.ROOT, paths.artifacts, paths.RUNS, canaries=canaries, splits=splits)
    written = write_page(page, paths.REPORT)
    for judgement in audit.judgements:
        print(f"{judgement.verdict:<15} {judgement.claim}: {judgement.reason}")
    shared = [f"{split.dataset}: {same}" for split in splits for same in across(split.duplicates)]
    for line in changed(canaries) + shared:
        print(f"WARNING: {line}", file=sys.stderr)
    print(f"report: {(paths.REPORT / 'index.html').as_uri()}")
    reads, writes = inputs(audit, paths.ROOT), [paths.RESULTS / "audit.json", *written]
    return stage.Done(reads=reads, writes=writes, parameters=everything.model_dump(mode="json", exclude={"cluster"}))


def bundle() -> None:
    """Puts the evidence beside the page, with the chain that it came by; for `sresnet verify`."""
    everything = params.load()
    stages = gather(judged(everything), split_manifests(everything), paths.ROOT, paths.REPORT)
    for broken in write_crate(paths.REPORT, stages):
        print(f"WARNING: the chain is broken: {broken}", file=sys.stderr)


def split_manifests(everything: params.Params) -> list[SplitManifest]:
    """Of each dataset, as each experiment that is run holds validation samples out of it."""
    runs = everything.runs.values()
    used = {(run.dataset, everything.experiments[run.experiment].training.validation_percent) for run in runs}
    return [split_manifest(dataset, paths.arrow(dataset), percent) for dataset, percent in sorted(used)]


if __name__ == "__main__":
    argparse.ArgumentParser(description="Judges the claims and writes the report.").parse_args()
    stage.run("report", main, after=bundle)
