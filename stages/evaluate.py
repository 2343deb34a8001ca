"""Evaluates one trained network of params.yaml on all test samples: python -m stages.evaluate digits-0"""

import argparse
from dataclasses import asdict

from pipeline.data.store import Store
from pipeline.evaluate.evaluate import See, Task, evaluate, evaluate_on
from pipeline.evaluate.examples import write_examples
from pipeline.evaluate.predictions import About, Predictions
from pipeline.evaluate.record import make_record, write_tables
from pipeline.evaluate.trained import check_trained
from pipeline.ground import paths, stage
from pipeline.ground.files import sha256
from pipeline.ground.params import load_cluster
from pipeline.protocol.params import load_run


def main(name: str, see: See | None = None) -> None:
    """Writes predictions and examples beside the model, the rest into results/; `see` replaces the forward passes."""
    run, experiment = load_run(name)
    folder = paths.artifacts(run.experiment, run.seed)
    data, model = paths.arrow(run.dataset), folder / "model.safetensors"
    wanted = run.model_dump() | {"network": asdict(experiment.model), "training": asdict(experiment.training)}
    config = check_trained(folder, data, wanted)
    task = Task(model=model, data=data, training=experiment.training, seed=run.seed)
    seen, store = evaluate(task, see or evaluate_on(load_cluster()), name), Store(data, "test")
    about = About(
        experiment=run.experiment,
        seed=run.seed,
        classes=list(store.classes),
        model_sha256=sha256(model),
        data_digest=store.digest,
    )
    predictions = Predictions(about=about, ids=store.ids, labels=store.labels, voltage=seen.voltage)
    predictions.write(folder / "predictions.parquet")
    record = make_record(folder, config, Store(data, "train").manifest, store.manifest, predictions, seen)
    record.write(paths.result(run.experiment, run.seed))
    write_tables(record, predictions, folder / "history.csv", paths.tables(run.experiment, run.seed))
    write_examples(store, predictions, folder / "examples.parquet")
    test = record.test
    print(
        f"{name}: {test['correct']} of {test['samples']} test samples of {record.dataset['title']} correct: "
        f"{test['top1_percent']:.2f} % [{test['top1_low']:.2f}, {test['top1_high']:.2f}]"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Shows every test sample to one trained network of params.yaml.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    key = stage.key_of("evaluate", parser.parse_args().run)
    stage.run_stage(f"evaluate@{key}", lambda: main(key))
