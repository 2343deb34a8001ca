"""The command `sresnet`. Each subcommand imports what it needs when it runs: `verify` has to start in a moment."""

import argparse
import io
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.paths import PARAMS, PROFILES, REPORT

DATA = "DATA/"
"""Stands in a profile's `source` for the folder that --data names."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 1 on an InputError."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except InputError as error:
        sys.exit(f"error: {error}")


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
    use.add_argument("--data", type=Path, metavar="DIR", help="folder that holds the profile's data (real-small)")
    use.add_argument("--seeds", type=int, default=1, metavar="N", help="train each experiment with seeds 0 to N-1")
    use.set_defaults(run=lambda chosen: use_profile(chosen.profile, chosen.data, chosen.seeds))
    check = commands.add_parser("check", help="check params.yaml", description="Checks every value of params.yaml.")
    check.set_defaults(run=lambda _: check_params())
    canaries = commands.add_parser(
        "canaries",
        help="try the rules of other libraries that a result could hang on",
        description="Tries the rules of other libraries that a result could hang on; exits with 1 if one changed.",
    )
    canaries.set_defaults(run=lambda _: try_canaries())
    _add_verify(commands)
    _add_sign(commands)
    _add_forensics(commands)
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
    verify.set_defaults(run=lambda chosen: verify_report(chosen.report, chosen.key, chosen.root))


def _add_sign(commands: Any) -> None:
    sign = commands.add_parser(
        "sign",
        help="sign a report with a key of yours",
        description="Signs the statements of a report's folder with an ed25519 key, after checking them.",
    )
    sign.add_argument("report", type=Path, nargs="?", default=REPORT, metavar="REPORT", help="default: report/")
    sign.add_argument("--key", type=Path, required=True, metavar="PRIVATE", help="ed25519 private key, PEM or OpenSSH")
    sign.set_defaults(run=lambda chosen: sign_report(chosen.report, chosen.key))


def verify_report(report: Path, key: Path | None, root: Path | None) -> None:
    """Says what was looked at and that it holds. Raises InputError that names the first broken link, and the others."""
    from pipeline.audit.verify import verify

    start = time.perf_counter()
    verified = verify(report, key, root)
    if verified.breaks:
        first, *others = verified.breaks
        raise InputError("\n".join([f"broken: {first}", *(f"  also {other}" for other in others)]))
    for line in verified.looked:
        print(f"ok    {line}")
    for note in verified.notes:
        print(f"note  {note}")
    print(f"{report}: everything holds ({time.perf_counter() - start:.1f} s)")


def sign_report(report: Path, key: Path) -> None:
    """Signs what holds. Raises InputError."""
    from pipeline.audit.attestation import sign
    from pipeline.audit.verify import verify

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
    from pipeline.audit.forensics import BATCHES, examine, read_printed, table

    print(table(examine(read_printed(printed, precision), test_size, tuple(batches or BATCHES))))


def use_profile(profile: str, data: Path | None, seeds: int, into: Path = PARAMS) -> None:
    """Writes profiles/<profile>.yaml to `into`, comments kept. Raises InputError, and then changes nothing."""
    from ruamel.yaml import YAML

    from pipeline.files import write_whole

    yaml = YAML()
    yaml.width = 200
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load((PROFILES / f"{profile}.yaml").read_text(encoding="utf-8"))
    for name, dataset in content["datasets"].items():
        _place_source(f"datasets.{name}.download.source", dataset["download"], data)
    if seeds < 1:
        raise InputError(f"--seeds must be at least 1, not {seeds}")
    if seeds > 1:
        _set_seeds(content, seeds)
    text = io.StringIO()
    yaml.dump(content, text)
    write_whole(into, text.getvalue().encode())
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


def check_params() -> None:
    """Says that params.yaml is as it should be. Raises InputError that names every wrong key."""
    from pipeline.data.fetch import check_download
    from pipeline.data.preprocess import check_preprocess
    from pipeline.params import load

    params = load()
    for name, dataset in params.datasets.items():
        check_preprocess(name, check_download(name, dataset.download), dataset.preprocess)
    print(f"{PARAMS}: profile {params.profile}, {len(params.runs)} training(s), no problem found")


def try_canaries() -> None:
    """A line for each canary. Raises InputError that names every rule that changed."""
    from pipeline.audit.canaries import changed, run_canaries

    outcomes = run_canaries()
    for outcome in outcomes:
        canary = outcome.canary
        print(f"{outcome.state:<13}  {canary.name} ({canary.package} {outcome.version or '-'}): {canary.rule}")
    if lines := changed(outcomes):
        raise InputError("\n".join([f"{len(lines)} rule(s) of other libraries changed", *lines]))


if __name__ == "__main__":
    main()
