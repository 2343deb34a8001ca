"""Makes Arrow shards of one dataset of params.yaml: python -m stages.preprocess digits"""

import argparse
import sys

from pipeline.data.contents import between_parts, duplicates, read_contents
from pipeline.ground import paths, stage
from pipeline.ground.params import load_cluster, load_dataset
from pipeline.preprocess.preprocess import in_lines, preprocess


def main(dataset: str) -> None:
    """Reads data/raw/<dataset>, writes data/arrow/<dataset>, and prints its content."""
    params = load_dataset(dataset).preprocess
    work = paths.RUNS / "preprocess"
    manifests = preprocess(dataset, paths.raw(dataset), params, load_cluster(), paths.arrow(dataset), work)
    for manifest in manifests:
        print("\n".join(in_lines(manifest)))
    for same in between_parts(duplicates(read_contents(paths.arrow(dataset)))):
        print(f"WARNING: {dataset}: {same}; what is tested was trained on", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes Arrow shards of one dataset of params.yaml.")
    parser.add_argument("dataset", help="name under `datasets:` in params.yaml, for example digits")
    key = stage.key_of("preprocess", parser.parse_args().dataset)
    stage.run_stage(f"preprocess@{key}", lambda: main(key))
