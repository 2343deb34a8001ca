"""Compares our network with the authors' recorded numbers, and counts its size: python -m stages.agreement"""

import argparse

import torch

from pipeline.authors.measure import measure
from pipeline.ground import paths, stage
from pipeline.judge.claims import read_claims
from pipeline.judge.measured import AGREEMENT_STAGE, MEASURED, Measured
from pipeline.protocol.hardware import computed_by


def main() -> None:
    """Writes results/agreement.json, which decides the claims that need no training."""
    found = measure(read_claims(paths.CLAIMS).claims, paths.CLAIMS.parent / "golden")
    platform = computed_by(torch.device("cpu"), "float32")
    Measured(platform=platform, claims=found).write(paths.ROOT / MEASURED)
    for name, one in found.items():
        print(f"{name}: {'cannot be compared' if one is None else f'{one:,g}' if one < 1 else f'{one:,.0f}'}")


if __name__ == "__main__":
    argparse.ArgumentParser(description="Compares our network with the authors' recorded numbers.").parse_args()
    stage.run_stage(AGREEMENT_STAGE, main)
