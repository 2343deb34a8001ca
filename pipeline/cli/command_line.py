"""The command `sresnet`: its subcommands and their options.

A subcommand imports its module when it runs, so that `--help` and `verify` start fast.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.ground.errors import InputError, refusal
from pipeline.ground.paths import PROFILES, REPORT
from pipeline.ground.utf8 import use_utf8

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to import than everything else here
)
_PROFILES = sorted(path.stem for path in PROFILES.glob("*.yaml"))
_Report = Annotated[Path, typer.Argument(metavar="REPORT", help="Default: report/", show_default=False)]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line.

    Exits with 1 on an InputError, with 2 on wrong usage, with 130 on Ctrl-C, with 143 on SIGTERM.
    """
    use_utf8()
    try:
        app(arguments, prog_name="sresnet")
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if (reason := refusal(error)) is None:
            raise
        sys.exit(f"error: {reason}")
    except SystemExit as ended:  # Typer exits with this, with code 130 on a KeyboardInterrupt
        if ended.code == 130:
            _stopped()
        if ended.code:
            raise


def _stopped() -> None:
    from pipeline.ground.lifetime import how_it_was_stopped

    how, code = how_it_was_stopped()
    print(f"error: {how}; run it again", file=sys.stderr)
    sys.exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"sresnet-repro {version('sresnet-repro')}")
        raise typer.Exit


@app.callback()
def _status(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Chooses and checks what `dvc repro` does, and checks reports.

    Without a command: where this checkout stands, and what to do next.
    """
    if context.invoked_subcommand is None:
        from pipeline.cli.status import show_status

        show_status()


def _known(profile: str) -> str:
    if profile not in _PROFILES:
        raise typer.BadParameter(f"{profile!r}: there is no such profile; choose one of {', '.join(_PROFILES)}")
    return profile


@app.command("use")
def _use(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", callback=_known, help=", ".join(_PROFILES))],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds the profile's data (gpu, real-small, study).")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Train each experiment with seeds 0 to N-1. Default: the profile's.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a params.yaml that you changed; it is kept as params.yaml.before.")
    ] = False,
) -> None:
    """Put a profile into params.yaml."""
    from pipeline.cli.use import use_profile

    use_profile(profile, data, seeds, force=force)


@app.command("check")
def _check() -> None:
    """Check params.yaml and the cluster.

    Every value of params.yaml, that storage can be written, and each node of a cluster that it names: its room,
    versions, code, and way to storage.
    """
    from pipeline.cli.check import check_params

    check_params()


@app.command("inspect")
def _inspect(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A recording, a folder with one folder per class, or a dataset that is downloaded."
        ),
    ],
    sensor: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="WIDTH HEIGHT", min=1, max=32_767, help="Sensor (pixels), if the files do not say it."),
    ] = None,
    stream: Annotated[
        str | None, typer.Option(metavar="STREAM", help="Of files with several streams: a number, or a group of HDF5.")
    ] = None,
    frames: Annotated[int, typer.Option(metavar="T", min=1, help="Number of frames, as in preprocess.")] = 8,
    size: Annotated[int, typer.Option(metavar="N", min=1, help="Height and width of a frame (pixels).")] = 64,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture of the frames.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per recording.")] = False,
) -> None:
    """Describe recordings: a file, a folder or a dataset.

    Sensor, number of events, duration, polarity, rate over time, what would be left out, and how preprocessing would
    cut a recording into frames. In a folder, a recording that cannot be read does not stop the others; they are named
    at the end, and the exit code is 1. A dataset in data/raw is named as in params.yaml or in the catalog, which say
    its sensor and stream.
    """
    from pipeline.cli.inspect import StatedCamera, inspect

    number_or_group = int(stream) if stream and stream.isdecimal() else stream
    inspect(name, StatedCamera(sensor=sensor, stream=number_or_group), frames, size, png, as_json=as_json)


@app.command("convert")
def _convert(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Under `datasets:` in params.yaml.")],
    source: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="Recordings: s3://BUCKET/FOLDER, gs://, file:// or a folder.")
    ],
    target: Annotated[str, typer.Option("--into", metavar="PLACE", help="Folder for the shards, in the same forms.")],
) -> None:
    """Convert recordings in object storage into shards there.

    For more recordings than a disk holds. Does what the stage `preprocess` does, by the dataset's `preprocess:` and the
    `cluster:` of params.yaml, but reads the recordings (a folder a class) from --from and writes the shards into a
    folder of --into: one task a shard, on all nodes of the cluster. The same command goes on after an interruption.
    """
    from pipeline.cli.convert import convert_stored

    convert_stored(dataset, source, target)


@app.command("plan")
def _plan() -> None:
    """Estimate how long the trainings of params.yaml take.

    Measures a few training steps of every network and batch in params.yaml on this machine, and says how long each
    experiment and all of them will take. Data of your own (`source:`) are preprocessed first: how many samples they
    hold shows only then.
    """
    from pipeline.cli.plan import plan_trainings

    plan_trainings()


def _duration(text: str) -> float:
    from pipeline.cli.train import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command("train")
def _train(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Under `runs:` in params.yaml, for example digits-0.")],
    seconds: Annotated[
        float,
        typer.Option("--for", metavar="TIME", parser=_duration, help="From this command's start: 90s, 10m or 1.5h."),
    ],
) -> None:
    """Train a run for a limited time.

    For a batch system's limit, or a borrowed GPU. Stops after a whole step with a checkpoint, says what is left, and
    exits with 0. The same command or `dvc repro` goes on there, with the same bits, also on another machine, if the
    folder that it names is copied there. A step, and what follows the last one of an epoch (scores, recomputed
    statistics), are not interrupted: leave some time for them before a hard limit.
    """
    from pipeline.cli.train import train_for

    train_for(run, seconds)


@app.command("sweep")
def _sweep(
    halving: Annotated[
        bool,
        typer.Option("--halving", help="Train only, and stop the worse half of the experiments early, repeatedly."),
    ] = False,
) -> None:
    """Train and evaluate all runs side by side.

    Does what `dvc repro` does, with the same dvc.lock at its end, but trains and evaluates the runs of params.yaml
    side by side, as many at once as the cluster of params.yaml has room for.

    A run that fails stops no other; its log is named at the end, and the exit code is 1. After Ctrl-C or a failure,
    sweep again: it goes on where it stopped. Logs: runs/sweep/RUN.log.

    With --halving, to choose among experiments, for example learning rates: successive halving by accuracy on the
    validation split, as the mean over the seeds. Nothing is evaluated on the test split. A run that is stopped keeps
    its checkpoint and is no evidence; `dvc repro train@RUN` would finish it. Refused for runs under audit: of a claim's
    configuration, or sealed.
    """
    if halving:
        from pipeline.cli.halving import halve

        halve()
    else:
        from pipeline.cli.sweep import sweep

        sweep()


@app.command("rung", hidden=True)
def _rung(run: str, epoch: int) -> None:
    """Train a run up to the end of an epoch, for `sweep --halving`."""
    from pipeline.cli.train import train_to

    train_to(run, epoch)


@app.command("results")
def _results() -> None:
    """Show the results of the report in a few lines.

    Accuracy, 95 % interval and test samples of each run, the verdicts, whether the outputs are those of the committed
    dvc.lock, and where the report lies.
    """
    from pipeline.cli.results import show_results

    show_results()


@app.command("predict")
def _predict(
    network: Annotated[
        str,
        typer.Argument(metavar="NETWORK", help="A run (digits-0), a folder with its model, or user/name on the hub."),
    ],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Images or recordings, or folders of them; - reads names from stdin."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write predictions.parquet there instead of printing lines.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per sample.")] = False,
) -> None:
    """Classify images or recordings.

    Reads each file by the rules of the data that the network was trained on (framing, normalization), and prints the
    most probable classes. A file that cannot be read does not stop the others; they are named at the end, and the exit
    code is 1.
    """
    from pipeline.cli.predict import predict

    predict(network, files, out, as_json=as_json)


@app.command("export")
def _export(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A run (digits-0), a folder with its model, or a name on the hub.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="Samples to check the export with. Default: the run's test split."),
    ] = None,
    to: Annotated[
        Literal["onnx", "nir", "torch"], typer.Option(metavar="FORMAT", help="onnx, nir or torch (torch.export).")
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: export/NETWORK-FORMAT.", show_default=False)
    ] = None,
) -> None:
    """Write a network for other programs.

    Writes a folder with the network in that format and a README.md that says how to use it. The files are run by
    onnxruntime, nirtorch or torch on real samples, and their classes and logits compared with ours.
    """
    from pipeline.cli.export import export_trained

    export_trained(network, files or [], to, out)


@app.command("verify")
def _verify(
    report: _Report = REPORT,
    key: Annotated[
        Path | None, typer.Option(metavar="PUBLIC", help="Ed25519 public key that has to have signed it.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="CHECKOUT", help="Hash the data and weights of a checkout too.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Compute shards and predictions again from the raw data and weights of --root (needs torch).",
        ),
    ] = False,
    train_again: Annotated[
        bool,
        typer.Option(
            "--train-again",
            help="Repeat the trainings too: the weights have to be equal on a processor like theirs. Takes as long as "
            "they did.",
        ),
    ] = False,
) -> None:
    """Check a report, offline.

    Hashes everything in the folder, derives its numbers and verdicts anew from the predictions, and names where the
    chain breaks; exits with 1 if it does.
    """
    from pipeline.cli.verify import recomputation, verify_report

    verify_report(report, key, root, recomputation(again, train_again, root))


@app.command("sign")
def _sign(
    key: Annotated[Path, typer.Option(metavar="PRIVATE", help="Ed25519 private key, PEM or OpenSSH.")],
    report: _Report = REPORT,
) -> None:
    """Sign a report with your key.

    Signs the statements of a report's folder with an ed25519 key, after checking them.
    """
    from pipeline.cli.sign import sign_report

    sign_report(report, key)


@app.command("seal")
def _seal() -> None:
    """Write down the planned runs before they run.

    Writes results/seal.json: the runs of params.yaml with their whole configuration, the digests of their data and of
    the training code, and the claims with their margins. Data are preprocessed first. The report says whether its runs
    are those. Refuses if a run was trained already, or if something else was sealed.
    """
    from pipeline.cli.seal import seal_runs

    seal_runs()


@app.command("forensics")
def _forensics(
    printed: Annotated[str, typer.Argument(metavar="PERCENT", help="As it was printed, for example 72.98.")],
    test_size: Annotated[int, typer.Option(metavar="N", help="Samples of the test set.")],
    batch: Annotated[
        list[int] | None,
        typer.Option(
            metavar="B",
            help="Batch of the training to try, as the test's too and doubled; may be given several times. Default: "
            "common ones.",
        ),
    ] = None,
    precision: Annotated[
        int | None, typer.Option(metavar="DECIMALS", help="Decimals in print, where zeros at the end got lost.")
    ] = None,
) -> None:
    """Find ways of scoring that give a printed percentage.

    Lists the ways to score a test set of that size that can give the percentage, and those that cannot.
    """
    from pipeline.cli.forensics import examine_printed

    examine_printed(printed, precision, test_size, batch or [])


@app.command("oracle")
def _oracle(
    authors: Annotated[Path, typer.Option(metavar="PATH", help="Folder that holds their model.py.")],
    blocks: Annotated[int, typer.Option(metavar="N", help="Blocks a stage.")] = 1,
    width: Annotated[int, typer.Option(metavar="N", help="Filters of the first stage.")] = 8,
    steps: Annotated[int, typer.Option(metavar="N", help="Time steps.")] = 6,
) -> None:
    """Run a checkout of the authors' code beside ours.

    You supply the checkout, and it is executed: the same weights and inputs, one training step. Exits with 1 if they
    differ by more than 1e-10 in float64.
    """
    from pipeline.authors.oracle import compare_with_authors
    from pipeline.authors.side_by_side import Sizes

    compare_with_authors(authors, Sizes(blocks=blocks, width=width, steps=steps))


@app.command("audit-checkpoint")
def _audit_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="For example cifar10_sresnet-boost.pth.tar.")],
    dataset: Annotated[str, typer.Option(metavar="NAME", help="Dataset of params.yaml, for example cifar10.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of Arrow shards. Default: data/arrow/NAME.")
    ] = None,
    leak: Annotated[float, typer.Option(help="Leak, which the file does not have. Default: their README's.")] = 0.8744,
) -> None:
    """Evaluate weights that the authors published.

    Evaluates a checkpoint of the authors' train.py, which you supply, on a preprocessed test split, and says what it
    means for the printed accuracy. Nothing in the file is executed.

    Writes results/audit-checkpoint/<dataset>-<digest>/.
    """
    from pipeline.cli.audit_checkpoint import audit_published

    audit_published(file, dataset, data, leak)


@app.command("compare-spikes")
def _compare_spikes(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A network that was trained here, model.safetensors.")],
    against: Annotated[
        Literal["reference", "float64", "bfloat16"],
        typer.Option(metavar="COMPUTATION", help="The other one: reference, float64 or bfloat16."),
    ] = "reference",
    images: Annotated[int, typer.Option(metavar="N", help="Number of inputs: random, or the first of --inputs.")] = 8,
    inputs: Annotated[Path | None, typer.Option(metavar="FILE", help="Prepared inputs as .npy, samples first.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random inputs and of Poisson encoding.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all counts, of each layer and step, as JSON there.")
    ] = None,
) -> None:
    """Count the spikes that differ between two computations.

    Layer by layer and step by step, with the first flip and its margin.
    """
    from pipeline.cli.compare_spikes import compare_spikes

    compare_spikes(model, against=against, images=images, inputs=inputs, seed=seed, output=output)


@app.command("canaries")
def _canaries() -> None:
    """Check rules of other libraries that results depend on.

    Checks rules of other libraries and of this network on a few numbers; exits with 1 if one has changed.
    """
    from pipeline.cli.canaries import try_canaries

    try_canaries()


@app.command("curves")
def _curves(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Of params.yaml, for example digits.")],
) -> None:
    """Record the curves of finished trainings for comparison.

    Records the histories of all seeds in artifacts/EXPERIMENT/ as results/curves-EXPERIMENT.json; later trainings of
    that recipe are compared with them epoch by epoch.
    """
    from pipeline.cli.curves import record_curves

    record_curves(experiment)


@app.command("study")
def _study() -> None:
    """Write docs/study.md from the recorded trainings.

    Writes the page and its pictures from the records in results/ of the profile study; the page names the trainings
    that are missing.
    """
    from pipeline.cli.study import write_study_page

    write_study_page()


if __name__ == "__main__":
    main()
