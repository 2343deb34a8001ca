"""Stage `download`: a dataset as published, or as the user names it, whole and verified in data/raw/<dataset>."""

import argparse

from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import fetch
from pipeline.ground import paths
from pipeline.ground.files import whole_folder
from pipeline.ground.params import load_dataset
from pipeline.ground.stage import Done, key_of, run_stage


def download(dataset: str) -> Done:
    """Writes data/raw/<dataset>; the folder appears only when it is complete. Raises InputError."""
    params = load_dataset(dataset)
    with whole_folder(paths.raw(dataset)) as folder:
        source, tally = fetch(dataset, params.download, folder)
    entry = CATALOG[source.catalog]
    print(f"{dataset}: {source.title or entry.title}, {len(source.files)} file(s) in {paths.raw(dataset)}")
    print(f"{dataset}: {tally}")
    print(f"{dataset}: licence: {entry.licence}; source: {entry.citation}")
    return Done(
        known={paths.raw(dataset) / name: digest for name, digest in source.files.items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.download", description=__doc__)
    parser.add_argument("dataset", metavar="DATASET", help="name of a dataset in params.yaml, for instance digits")
    dataset = key_of("download", parser.parse_args().dataset)
    run_stage(f"download@{dataset}", lambda: download(dataset))


if __name__ == "__main__":
    main()
