"""Faults of names and versions: the report names something other than what ran."""

import json
import shutil
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from pipeline.data.store import SPLITS, Store
from pipeline.download.catalog import CATALOG
from pipeline.download.title import title_of_entry
from pipeline.ground import stage_record
from pipeline.preprocess import preprocess
from tests.faults import tools
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_json, edit_yaml
from tests.faults.tools import stage_name
from tests.preprocess.parquet_files import png, write

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


@fault(
    "another dataset under the claim's name",
    "digits called cifar10",
    r"cifar10-accuracy: verdict NOT .*cifar10/0\.json of Digits",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    old = lab.experiment

    def rename(content: Any) -> None:
        content["datasets"] = {"cifar10": content["datasets"][old]}
        content["experiments"] = {"cifar10": content["experiments"][old] | {"dataset": "cifar10"}}
        content["runs"] = {"cifar10-0": {"experiment": "cifar10", "dataset": "cifar10", "seed": 0}}

    edit_yaml(lab.root / "params.yaml", rename)
    for folder in ("data", "artifacts", "records", "results/digits", "runs", "report"):
        shutil.rmtree(lab.root / folder, ignore_errors=True)
    (lab.root / "data" / "arrow" / "cifar10").mkdir(parents=True)
    lab.after("download")


@fault(
    "another dataset under the claim's name",
    "`title: CIFAR-10` in params.yaml",
    r"title.*(has a fixed title|published)",
    anew=False,
)
def _(lab: Lab) -> None:
    edit_yaml(
        lab.root / "params.yaml", lambda content: content["datasets"]["digits"]["download"].update(title="CIFAR-10")
    )


@fault(
    "another dataset under the claim's name",
    "what was downloaded says that it is CIFAR-10",
    r"raw data: .*title None, found CIFAR-10",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    edit_json(lab.root / "data" / "raw" / "digits" / "SOURCE.json", lambda source: source.update(title="CIFAR-10"))
    lab.mend()
    lab.after("preprocess")


@fault(
    "another dataset under the claim's name",
    "the user's own images, SOURCE.json says CIFAR-10",
    r"SOURCE\.json: title: CIFAR-10 is the name of a published dataset",
    anew=False,
)
def _(lab: Lab) -> None:
    own_images(lab)
    edit_json(lab.root / "data" / "raw" / "digits" / "SOURCE.json", lambda source: source.update(title="CIFAR-10"))
    lab.stage("preprocess@digits")


@fault(
    "another dataset under the claim's name",
    "the user's own images, called CIFAR-10 from preprocessing on",
    r"title: .*published False as the raw files give it, found True",
    anew=True,
)
def _(lab: Lab) -> None:
    own_images(lab)
    with patch.object(preprocess, "title_of_files", lambda dataset, raw: title_of_entry(CATALOG["cifar10"])):
        lab.after("preprocess")


def own_images(lab: Lab) -> None:
    """The digits as Parquet files of the user's, downloaded."""
    lab.only(0)
    own = lab.root / "own"
    for split in SPLITS:
        store = Store(lab.arrow(), split)
        pictures = [png(pixels[0]) for pixels in store.read(np.arange(len(store)))]
        write(own / f"{split}-00000-of-00001.parquet", pictures, store.labels.tolist())

    def change(content: Any) -> None:
        dataset = content["datasets"]["digits"]
        dataset["download"] = {"catalog": "parquet-images", "source": str(own), "title": "Own"}
        dataset["preprocess"]["split"] = "official"
        content["experiments"][lab.experiment]["training"].update(pixel_mean=3 * [0.3], pixel_std=3 * [0.4])

    edit_yaml(lab.root / "params.yaml", change)
    lab.stage("download@digits")


@fault("a changed package", "trained with another torch", r"packages differ: torch .*2\.9\.0", anew=False)
def _(lab: Lab) -> None:
    with_other_torch(lab)


@fault("a changed package", "the same, its stage says otherwise", r"packages: .*expected torch", anew=True)
def _(lab: Lab) -> None:
    with_other_torch(lab)
    hide_version(lab)
    lab.mend()
    lab.stage("report")


@fault("a changed package", "the same, and the weights say otherwise too", r"trained by other code or torch", anew=True)
def _(lab: Lab) -> None:
    platform = json.loads((lab.artifacts(0) / "config.json").read_text(encoding="utf-8"))["platforms"]
    with_other_torch(lab)
    hide_version(lab)
    tools.change_config(lab, 0, lambda config: config.update(platforms=platform))
    edit_json(
        lab.root / "results" / lab.experiment / "0.json", lambda record: record.update(platforms=platform), lines=True
    )
    lab.mend()
    lab.stage("report")


def with_other_torch(lab: Lab) -> None:
    lab.only(0)
    other = stage_record.installed_packages() | {"torch": "2.9.0"}
    with patch.object(torch, "__version__", "2.9.0"), patch.object(stage_record, "installed_packages", lambda: other):
        lab.stage(stage_name("train", lab))
    lab.after("evaluate")


def hide_version(lab: Lab) -> None:
    path = lab.root / "records" / f"{stage_name('train', lab)}.json"
    edit_json(path, lambda record: record.update(packages=stage_record.installed_packages()))


@fault(
    "a changed package",
    "a tonic that keeps the remainder of events",
    r"^tonic-remainder: .*gives 7, pinned 6",
    anew=False,
)
def _(lab: Lab) -> None:
    import tonic.transforms

    def keeping(**_: object) -> Any:
        return lambda events: np.ones((len(events), 1))

    lab.library = lambda: patch.object(tonic.transforms, "ToFrame", keeping)
