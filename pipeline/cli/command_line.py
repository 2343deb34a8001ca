"""The command `sresnet`. Each subcommand imports what it needs when it runs: `verify` has to start in a moment."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.ground.errors import InputError, refusal
from pipeline.ground.lifetime import how_it_was_stopped, watched_run
from pipeline.ground.names import check_name, checked, shown, use_utf8
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS, PROFILES, REPORT, RESULTS, check_places

if TYPE_CHECKING:
    from pipeline.protocol.params import Params
    from pipeline.verify.verify import Recomputation

DATA = "DATA/"
"""Stands in a profile's `source` for the folder that --data names."""
MOST_SEEDS = 1000
"""Of an experiment: each is a training, a line of params.yaml, and three stages of DVC."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 1 on an InputError, with 130 on Ctrl-C, with 143 on SIGTERM."""
    use_utf8()
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        how, code = how_it_was_stopped()
        print(f"error: {how}; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(code)
    except OSError as error:
        if (reason := refusal(error)) is None:
            raise
        sys.exit(f"error: {reason}")


def _parser() -> argparse.ArgumentParser:
    profiles = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    parser = argparse.ArgumentParser(
        prog="sresnet", description="Chooses and checks what `dvc repro` does, and checks reports."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    use = commands.add_parser(
        "use", help="put a profile into params.yaml", description="Puts a profile into params.yaml."
    )
    use.add_argument("profile", choices=profiles, metavar="PROFILE", help=", ".join(profiles))
    use.add_argument(
        "--data", type=Path, metavar="DIR", help="folder that holds the profile's data (real-small, study)"
    )
    use.add_argument("--seeds", type=int, default=1, metavar="N", help="train each experiment with seeds 0 to N-1")
    use.set_defaults(run=lambda chosen: use_profile(chosen.profile, chosen.data, chosen.seeds))
    check = commands.add_parser(
        "check",
        help="check params.yaml and the cluster",
        description="Checks every value of params.yaml, that storage can be written, and each node of a cluster "
        "that it names: its room, versions, code, and way to storage.",
    )
    check.set_defaults(run=lambda _: check_params())
    plan = commands.add_parser(
        "plan",
        help="how long the trainings of params.yaml will take here",
        description="Measures a few training steps of every network and batch in params.yaml on this machine, and says "
        "how long each experiment and all of them will take. Data of your own (`source:`) are preprocessed first: how "
        "many samples they hold shows only then.",
    )
    plan.set_defaults(run=lambda _: plan_trainings())
    sweep = commands.add_parser(
        "sweep",
        help="do all runs of params.yaml side by side",
        description="Does what `dvc repro` does, with the same dvc.lock at its end, but trains and evaluates the runs "
        "of params.yaml side by side, as many at once as the cluster of params.yaml has room for. A run that fails "
        "stops no other; its log is named at the end, and the exit code is 1. After Ctrl-C or a failure, sweep again: "
        "it goes on where it stopped. Logs: runs/sweep/RUN.log.",
    )
    sweep.set_defaults(run=lambda _: sweep_runs())
    canaries = commands.add_parser(
        "canaries",
        help="try the rules that a result hangs on: those of other libraries, and of this network",
        description="Tries the rules of other libraries and of this network that a result hangs on, on a few numbers; "
        "exits with 1 if one is not as pinned.",
    )
    canaries.set_defaults(run=lambda _: try_canaries())
    study = commands.add_parser(
        "study",
        help="write docs/study.md from the recorded trainings",
        description="Writes docs/study.md and its pictures from the records in results/ of the profile study; the page "
        "names the trainings that are missing.",
    )
    study.set_defaults(run=lambda _: write_study_page())
    _add_verify(commands)
    _add_sign(commands)
    _add_forensics(commands)
    _add_oracle(commands)
    return parser


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="check a report's folder, offline",
        description="Hashes everything in a report's folder, derives its numbers and verdicts anew from the "
        "predictions, and names where the chain breaks; exits with 1 if it does.",
    )
    verify.add_argument("report", type=Path, nargs="?", default=REPORT, metavar="REPORT", help="default: report/")
    verify.add_argument("--key", type=Path, metavar="PUBLIC", help="ed25519 public key that has to have signed it")
    verify.add_argument("--root", type=Path, metavar="CHECKOUT", help="hash the data and weights of a checkout too")
    verify.add_argument(
        "--again",
        action="store_true",
        help="compute shards and predictions again from the raw data and weights of --root (needs torch)",
    )
    verify.add_argument(
        "--train-again",
        action="store_true",
        help="and the trainings, whose weights have to be the same on a processor like theirs (takes as long as they)",
    )
    verify.set_defaults(run=run_verify)


def _add_sign(commands: Any) -> None:
    sign = commands.add_parser(
        "sign",
        help="sign a report with a key of yours",
        description="Signs the statements of a report's folder with an ed25519 key, after checking them.",
    )
    sign.add_argument("report", type=Path, nargs="?", default=REPORT, metavar="REPORT", help="default: report/")
    sign.add_argument("--key", type=Path, required=True, metavar="PRIVATE", help="ed25519 private key, PEM or OpenSSH")
    sign.set_defaults(run=lambda chosen: sign_report(chosen.report, chosen.key))


def run_verify(chosen: argparse.Namespace) -> None:
    """Raises InputError."""
    anew = None
    if chosen.again or chosen.train_again:
        if chosen.root is None:
            raise InputError("--again computes from the raw data and weights of a checkout: name it with --root")
        from pipeline.verify.recompute import AGAIN, TRAIN_AGAIN  # torch takes seconds to import

        anew = TRAIN_AGAIN if chosen.train_again else AGAIN
    verify_report(chosen.report, chosen.key, chosen.root, anew)


def verify_report(report: Path, key: Path | None, root: Path | None, anew: "Recomputation | None" = None) -> None:
    """Says what was looked at and that it holds. Raises InputError that names the first broken link, and the others."""
    from pipeline.verify.verify import verify

    start = time.perf_counter()
    verified = verify(report, key, root.resolve() if root else None, anew)
    if verified.breaks:
        first, *others = verified.breaks
        raise InputError(
            "\n".join([f"broken: {shown(str(first))}", *(f"  also {shown(str(other))}" for other in others)])
        )
    for line in verified.looked:
        print(f"ok    {shown(line)}")
    for note in verified.notes:
        print(f"note  {shown(note)}")
    print(f"{report}: everything holds ({time.perf_counter() - start:.1f} s)")


def sign_report(report: Path, key: Path) -> None:
    """Signs what holds. Raises InputError."""
    from pipeline.report.signing import sign
    from pipeline.verify.verify import verify

    if found := verify(report).breaks:
        raise InputError(f"nothing was signed: {found[0]}")
    print(f"{report}: signed with key {sign(report, key)}; `sresnet verify --key PUBLIC` checks it")


def _add_forensics(commands: Any) -> None:
    forensics = commands.add_parser(
        "forensics",
        help="which ways to score can print a percentage",
        description="Says which ways to score a test set can print a percentage, and which cannot.",
    )
    forensics.add_argument("printed", metavar="PERCENT", help="as it was printed, for example 72.98")
    forensics.add_argument("--test-size", type=int, required=True, metavar="N", help="samples of the test set")
    forensics.add_argument(
        "--batch",
        type=int,
        nargs="+",
        metavar="B",
        help="batches of the training to try, as the test's too and doubled (default: common ones)",
    )
    forensics.add_argument(
        "--precision", type=int, metavar="DECIMALS", help="decimals in print, where zeros at the end got lost"
    )
    forensics.set_defaults(
        run=lambda chosen: examine_printed(chosen.printed, chosen.precision, chosen.test_size, chosen.batch)
    )


def examine_printed(printed: str, precision: int | None, test_size: int, batches: list[int] | None) -> None:
    """Says which ways to score can print a percentage. Raises InputError."""
    from pipeline.report.forensics import BATCHES, examine, forensics_table, read_printed

    print(forensics_table(examine(read_printed(printed, precision), test_size, tuple(batches or BATCHES))))


def _add_oracle(commands: Any) -> None:
    """The commands that run or read what the authors made."""
    oracle = commands.add_parser(
        "oracle",
        help="run a checkout of the authors' code beside ours",
        description="Runs a checkout of the authors' code, which you supply and which is executed, beside ours: the "
        "same weights and inputs, one training step; exits with 1 if they differ by more than 1e-10 in float64.",
    )
    oracle.add_argument("--authors", type=Path, required=True, metavar="PATH", help="folder that holds their model.py")
    oracle.add_argument("--blocks", type=int, default=1, metavar="N", help="blocks a stage (default: 1)")
    oracle.add_argument("--width", type=int, default=8, metavar="N", help="filters of the first stage (default: 8)")
    oracle.add_argument("--steps", type=int, default=6, metavar="N", help="time steps (default: 6)")
    oracle.set_defaults(run=run_oracle)
    audit = commands.add_parser(
        "audit-checkpoint",
        help="evaluate weights that the authors published",
        description="Evaluates a checkpoint of the authors' train.py, which you supply, on a preprocessed test split, "
        "and says what it means for the printed accuracy. Nothing in the file is executed. Writes "
        "results/audit-checkpoint/<dataset>-<digest>/.",
    )
    audit.add_argument("file", type=Path, metavar="FILE", help="for example cifar10_sresnet-boost.pth.tar")
    audit.add_argument("--dataset", required=True, metavar="NAME", help="of params.yaml, for example cifar10")
    audit.add_argument("--data", type=Path, metavar="FOLDER", help="of Arrow shards (default: data/arrow/NAME)")
    audit.add_argument("--leak", type=float, default=0.8744, help="not in the file (default: 0.8744, their README)")
    audit.set_defaults(run=run_audit_checkpoint)
    curves = commands.add_parser(
        "curves",
        help="record reference curves from finished trainings",
        description="Records the histories of all seeds in artifacts/EXPERIMENT/ as results/curves-EXPERIMENT.json; "
        "later trainings of that recipe are compared with them epoch by epoch.",
    )
    curves.add_argument("experiment", metavar="EXPERIMENT", help="of params.yaml, for example digits")
    curves.set_defaults(run=lambda chosen: record_curves(chosen.experiment))


def run_oracle(chosen: argparse.Namespace) -> None:
    from pipeline.authors.oracle import run  # torch takes seconds to import
    from pipeline.authors.side_by_side import Sizes

    run(chosen.authors, Sizes(blocks=chosen.blocks, width=chosen.width, steps=chosen.steps))


def run_audit_checkpoint(chosen: argparse.Namespace) -> None:
    from pipeline.authors.published import audit_checkpoint, described
    from pipeline.ground.params import load_cluster, load_dataset
    from pipeline.ground.paths import arrow

    checked(f"--dataset {chosen.dataset}", check_name, chosen.dataset)
    if chosen.data is None:
        load_dataset(chosen.dataset)
    data, results = (chosen.data or arrow(chosen.dataset)).resolve(), RESULTS / "audit-checkpoint"
    with watched_run():
        found = audit_checkpoint(chosen.file, data, chosen.dataset, chosen.leak, load_cluster(), results)
    print(described(*found))


def record_curves(experiment: str) -> None:
    """Writes results/curves-<experiment>.json. Raises InputError."""
    from pipeline.ground.paths import ROOT
    from pipeline.protocol.curves import curves_path, recorded

    checked(f"EXPERIMENT {experiment}", check_name, experiment)
    folders = sorted(path.parent for path in (ROOT / "artifacts" / experiment).glob("*/history.csv"))
    curves, path = recorded(experiment, folders), curves_path(RESULTS, experiment)
    curves.write(path)
    print(f"{path}: {len(curves.histories)} trainings, seeds {', '.join(curves.histories)}")


def use_profile(profile: str, data: Path | None, seeds: int, into: Path = PARAMS) -> None:
    """Writes a profile to `into`, each experiment complete. Raises InputError, and then changes nothing."""
    from pipeline.cli.profiles import read_profile, written
    from pipeline.ground.files import write_whole

    content = read_profile(PROFILES / f"{profile}.yaml")
    for name, dataset in content["datasets"].items():
        _place_source(f"datasets.{name}.download.source", dataset["download"], data)
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds must lie in 1 to {MOST_SEEDS:,}, not {seeds}")
    if seeds > 1:
        _set_seeds(content, seeds)
    write_whole(into, written(content))
    print(f"{into}: profile {profile}, {len(content['runs'])} training(s); `make repro` runs it")


def _place_source(key: str, download: Any, data: Path | None) -> None:
    source = download["source"]
    if not str(source).startswith(DATA):
        return
    if data is None:
        raise InputError(f"{key}: the profile's data lie in a folder of yours; name it with --data DIR")
    folder = data.resolve() / source.removeprefix(DATA)
    if not folder.exists():
        raise InputError(f"{folder}: not found; --data DIR must hold {source.removeprefix(DATA)}")
    download["source"] = str(folder)


def _set_seeds(content: Any, seeds: int) -> None:
    """One run an experiment and seed, in the place of the profile's."""
    from ruamel.yaml.comments import CommentedMap

    runs = content["runs"]
    runs.clear()
    for experiment, described in content["experiments"].items():
        for seed in range(seeds):
            run = CommentedMap(experiment=experiment, dataset=described["dataset"], seed=seed)
            run.fa.set_flow_style()
            runs[f"{experiment}-{seed}"] = run


def check_params(path: Path = PARAMS) -> None:
    """Says that params.yaml and the cluster are as they should be. Raises InputError that names what is wrong."""
    from pipeline.download.fetch import check_download, check_source
    from pipeline.preprocess.preprocess import check_preprocess
    from pipeline.protocol.params import load_params

    params = load_params(path)
    check_places()
    try:
        for name, dataset in params.datasets.items():
            check_preprocess(name, check_download(name, dataset.download), dataset.preprocess)
            check_source(name, dataset.download)
        check_experiments(params, path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    check_cluster(params.cluster, max(one.training.threads for one in params.experiments.values()))
    print(f"{path}: profile {params.profile}, {len(params.runs)} training(s), no problem found")


def check_experiments(params: "Params", path: Path) -> None:
    """Says what cannot be trained on data that are preprocessed already. Raises InputError that names the key."""
    from pipeline.cli.preprocessed import training_split
    from pipeline.ground.params import read_params
    from pipeline.train.trainable import check_trainable

    described = read_params(path)["datasets"]
    known = {name: training_split(name, described[name]) for name in params.datasets}
    for name, experiment in params.experiments.items():
        if split := known[experiment.dataset]:
            check_trainable(f"experiments.{name}", experiment.model, experiment.training, split)


def check_cluster(cluster: ClusterParams, threads: int) -> None:
    """Says that workers of so many threads can start and keep their state. Raises InputError."""
    from pipeline.cluster.storage import check_writable, open_storage
    from pipeline.train.placement import runs_folder

    far = cluster.address != "local"
    check_writable(open_storage(cluster.storage if far or "://" in cluster.storage else str(runs_folder(cluster))))
    cpus, have = cluster.cpus(threads), os.cpu_count()
    if not far and have and cpus > have:
        raise InputError(
            f"{PARAMS}: a worker takes {cpus} CPUs (training.threads, or cluster.cpus_per_worker), and this machine "
            f"has {have}; lower them, or name a larger cluster in cluster.address"
        )
    if far:
        from pipeline.cluster.session import connect  # Ray takes seconds to import

        with connect(cluster, most=sys.maxsize, cpus_each=cpus, gpus_each=cluster.gpus_per_worker) as workers:
            print(f"cluster {cluster.address}: every node is ready; room for {workers} worker(s)")


def plan_trainings() -> None:
    """A line an experiment, and the sum, of data that are preprocessed first if only that tells. Raises InputError."""
    with watched_run():
        _plan_trainings()


def _plan_trainings() -> None:
    from pipeline.cli.plan import plan, start_seconds, table, unknown
    from pipeline.cli.sweep import reproduce
    from pipeline.protocol.params import load_params

    params = load_params()
    if datasets := unknown(params):
        print(f"how many samples there are shows only when they are preprocessed: {', '.join(datasets)}", flush=True)
        reproduce(*(f"preprocess@{name}" for name in datasets))
    rows = plan(params)
    print("measuring the start of Ray", file=sys.stderr)
    print(table(rows, start_seconds(params)))


def sweep_runs() -> None:
    """Raises InputError, and KeyboardInterrupt after all runs have ended."""
    from pipeline.cli.sweep import sweep

    sweep()


def write_study_page() -> None:
    """Raises InputError."""
    from pipeline.study.write import write

    print("\n".join(str(path) for path in write()))


def try_canaries() -> None:
    """A line for each canary. Raises InputError that names every rule that changed."""
    from pipeline.report.canaries import changed_rules, run_canaries
    from pipeline.verify.rules import RULES

    outcomes = [*run_canaries(), *run_canaries(RULES)]
    for outcome in outcomes:
        canary = outcome.canary
        print(f"{outcome.state:<13}  {canary.name} ({canary.package} {outcome.version or '-'}): {canary.rule}")
    if lines := changed_rules(outcomes):
        raise InputError("\n".join([f"{len(lines)} rule(s) changed", *lines]))


if __name__ == "__main__":
    main()
