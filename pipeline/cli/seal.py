"""`sresnet seal`: writes the planned runs of params.yaml into one file before the first training."""

import hashlib
from pathlib import Path

from pipeline.cli.sweep import reproduce
from pipeline.data.store import read_manifest
from pipeline.ground.code import TRAINS, code_digest, code_files
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import ROOT
from pipeline.judge.claims import Rows, read_claims
from pipeline.judge.seal import SEAL, Seal, make_seal
from pipeline.protocol.params import Params, load_params

_NEXT = (
    "Commit it, and make its time provable before the first training: publish this digest, sign a git tag, or stamp "
    "the file (docs/verify.md, Sealing what will be run)."
)


def seal_runs(root: Path = ROOT) -> None:
    """Writes results/seal.json. Raises InputError if a run is already trained, or if a different seal exists."""
    params = load_params(root / "params.yaml")
    _check_untrained(params, root)
    content = _seal(params, root).as_json()
    path = root / SEAL
    if path.exists() and path.read_bytes() != content:
        raise InputError(
            f"{path}: seals something else than params.yaml, paper/claims.yaml, the data and the code are now; go back "
            "to what it seals, or remove the file by hand and seal again"
        )
    write_whole(path, content)
    print(f"{path}: {len(params.runs)} run(s) of profile {params.profile} are sealed")
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
    print(_NEXT)


def _check_untrained(params: Params, root: Path) -> None:
    for name, run in params.runs.items():
        weights = root / "artifacts" / run.experiment / str(run.seed) / "model.safetensors"
        if weights.exists():
            raise InputError(
                f"{weights}: {name} was trained already, and a seal is made before the first training; remove the file "
                "by hand if its result was not looked at, or take another seed"
            )


def _seal(params: Params, root: Path) -> Seal:
    """The seal of all runs. Preprocesses the data first if necessary."""
    datasets = sorted({run.dataset for run in params.runs.values()})
    reproduce(*(f"preprocess@{name}" for name in datasets))
    rows = {name: _rows(root / "data" / "arrow" / name) for name in datasets}
    claims = read_claims(root / "paper" / "claims.yaml").claims
    return make_seal(params, claims, rows, code_digest(code_files(TRAINS, root)))


def _rows(folder: Path) -> Rows:
    return Rows(train=read_manifest(folder, "train").digest, test=read_manifest(folder, "test").digest)
