"""All of params.yaml as strict, frozen, typed values. An unknown, missing or mistyped key is an error that names it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from models.config import NetworkConfig
from pipeline.ground.errors import InputError
from pipeline.ground.names import DistinctNames, Name, RunName, shown
from pipeline.ground.params import ClusterParams, DatasetParams, Section, Seed, read_params
from pipeline.ground.paths import PARAMS
from pipeline.ground.schema import validate
from pipeline.protocol.config import TrainingConfig, check_together

_AUGMENTATIONS = {"images": ("none", "crop-flip", "autoaugment"), "event frames": ("none", "nda")}


class ExperimentParams(Section):
    dataset: str
    model: NetworkConfig
    training: TrainingConfig

    @model_validator(mode="after")
    def _network_fits_training(self) -> "ExperimentParams":
        check_together(self.model, self.training)
        return self


class RunParams(Section):
    """One training. `dataset` repeats the experiment's, checked, because DVC cannot look it up there."""

    experiment: str
    dataset: str
    seed: Seed


class ResultParams(Section):
    """The parameters that results depend on: params.yaml without `cluster`."""

    profile: Name
    """Name of the profile that this file was generated from."""
    datasets: Annotated[dict[Name, DatasetParams], Field(min_length=1), DistinctNames]
    experiments: Annotated[dict[Name, ExperimentParams], Field(min_length=1), DistinctNames]
    runs: Annotated[dict[RunName, RunParams], Field(min_length=1)]

    @model_validator(mode="after")
    def _experiments_match(self) -> "ResultParams":
        for name, experiment in self.experiments.items():
            dataset = self.datasets.get(experiment.dataset)
            if dataset is None:
                raise ValueError(f"experiments.{name}.dataset: there is no dataset {experiment.dataset!r}")
            frames, training = dataset.preprocess.frames, experiment.training
            if frames is not None and training.pixel_mean:
                raise ValueError(f"experiments.{name}.training: pixel_mean and pixel_std are for images")
            kind = "images" if frames is None else "event frames"
            if training.augmentation not in _AUGMENTATIONS[kind]:
                raise ValueError(
                    f"experiments.{name}.training.augmentation: {training.augmentation} is not for {kind}, as "
                    f"datasets.{experiment.dataset}.preprocess.frames is {frames or 'null'}"
                )
            if frames is not None and experiment.model.encoding != "direct":
                raise ValueError(f"experiments.{name}.model.encoding must be direct for event frames")
            if frames is not None and frames != experiment.model.time_steps:
                raise ValueError(
                    f"experiments.{name}.model.time_steps is {experiment.model.time_steps}, "
                    f"but datasets.{experiment.dataset}.preprocess.frames is {frames}"
                )
        return self

    @model_validator(mode="after")
    def _runs_match(self) -> "ResultParams":
        for name, run in self.runs.items():
            experiment = self.experiments.get(run.experiment)
            if experiment is None:
                raise ValueError(f"runs.{name}.experiment: there is no experiment {run.experiment!r}")
            if experiment.dataset != run.dataset:
                raise ValueError(f"runs.{name}.dataset must be {experiment.dataset!r}, as in its experiment")
            if name != f"{run.experiment}-{run.seed}":
                raise ValueError(f"runs.{name} must be named {run.experiment}-{run.seed}")
        return self


class Params(ResultParams):
    """All of params.yaml."""

    cluster: ClusterParams


def load_run(name: str, path: Path = PARAMS) -> tuple[RunParams, ExperimentParams]:
    """One training and its experiment. Raises InputError."""
    params = load_params(path)
    run = params.runs.get(name)
    if run is None:
        raise InputError(f"{path}: runs.{shown(name)} is missing; it has {', '.join(params.runs)}")
    return run, params.experiments[run.experiment]


def load_params(path: Path = PARAMS) -> Params:
    """The checked content of a params.yaml. Raises InputError that names the file and every wrong key."""
    return validate(Params, read_params(path), path)
