"""A report's folder as `sresnet verify` reads it: its evidence, and what follows from it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.store import Manifest
from pipeline.evaluate.record import Record, read_whole_record
from pipeline.ground.digests import FileDigest
from pipeline.ground.files import sha256
from pipeline.ground.paths import ROOT
from pipeline.ground.schema import read_as, validate
from pipeline.ground.stage_record import RECORDS, StageRecord, installed_packages, path_of, read_stage_record
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge import chain
from pipeline.judge.answered import answers_path
from pipeline.judge.audit import Audit, make_audit, run_folder
from pipeline.judge.chain import REPORT_STAGE
from pipeline.protocol.params import ResultParams
from pipeline.report import attestation, bundle
from pipeline.report.bundle import EVIDENCE, path_in_report
from pipeline.report.crate import read_crate
from pipeline.report.vega import vega_script_of
from pipeline.report.write import rendered
from pipeline.verify.configurations import read_run_config

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey


def strict_manifest(path: Path) -> Manifest:
    """What preprocessing says of a split, each value of its type. Raises InputError."""
    return read_as(Manifest, path, "what preprocessing says of a split", "it is made again by `dvc repro preprocess`")


class ReportFolder:
    """Read when asked. Its properties raise InputError."""

    def __init__(self, folder: Path, pinned: "SSlibKey | None", root: Path | None) -> None:
        self.folder, self.evidence = folder, folder / EVIDENCE
        self.pinned = pinned
        """The key whose signatures count, if the reader names one."""
        self.root = root
        """A checkout that holds data and weights."""
        self.strayed: list[str] = []
        """Where what was computed again differs from what is stated, by less than breaks it."""
        self._digests: dict[Path, str] = {}

    @cached_property
    def listed(self) -> dict[str, FileDigest]:
        """The files that the folder says it has, by path."""
        return read_crate(self.folder)

    def sha256(self, path: Path) -> str:
        """Digest of a file, computed once."""
        if path not in self._digests:
            self._digests[path] = sha256(path)
        return self._digests[path]

    def name(self, path: Path) -> str:
        """A file's path in the folder."""
        return path.relative_to(self.folder).as_posix()

    def predictions_of(self, record: Record) -> Path:
        return self.evidence / run_folder(record) / "predictions.parquet"

    def answers_of(self, record: Record) -> Path:
        return self.evidence / answers_path(record)

    def history_of(self, record: Record) -> Path:
        return self.evidence / run_folder(record) / "history.csv"

    def config(self, record: Record) -> dict[str, Any]:
        """What the weights of a result were trained with."""
        return read_run_config(self.evidence / run_folder(record) / "config.json")

    @cached_property
    def signer(self) -> "SSlibKey | None":
        """The pinned key, else the one that came with the signatures, else None."""
        if self.pinned is not None or not attestation.is_signed(self.folder):
            return self.pinned
        from pipeline.report.signing import read_public_key  # takes a while to import

        return read_public_key(self.folder / attestation.STATEMENTS / attestation.KEY_FILE)

    @cached_property
    def params(self) -> dict[str, Any]:
        """What was run, checked: no key is missing or unknown, no value out of its range."""
        path = self.evidence / "params.yaml"
        content = read_yaml(path, shared=False)
        validate(ResultParams, content, path)
        return content

    @cached_property
    def audit(self) -> Audit:
        """All verdicts, judged anew on the results in the folder."""
        claims = self.evidence / "paper" / "claims.yaml"
        current = [
            self.evidence / "results" / run["experiment"] / f"{run['seed']}.json"
            for run in self.params["runs"].values()
        ]
        return make_audit(self.params["profile"], claims, self.evidence, current, read_whole_record)

    @cached_property
    def stages(self) -> list[str]:
        """Stages that the chain has to have, in its order."""
        return [*self.audit.stages, REPORT_STAGE]

    @cached_property
    def records(self) -> list[StageRecord]:
        return chain.read_stage_records(self.evidence / RECORDS, self.stages)

    @cached_property
    def sources(self) -> list[FileDigest]:
        """The evidence that was copied into the folder: what everything else is rendered from."""
        paths = [*bundle.evidence_files(self.audit, self.evidence), self.evidence / "params.yaml"]
        names = [path.relative_to(self.evidence).as_posix() for path in paths]
        return [
            FileDigest(path=name, sha256=self.sha256(path), bytes=path.stat().st_size)
            for name, path in zip(names, paths, strict=True)
        ]

    @cached_property
    def own(self) -> StageRecord:
        """What the stage `report` says of itself."""
        return read_stage_record(self.evidence / path_of(REPORT_STAGE))

    def other_makers(self) -> list[str]:
        """Files of code and packages that the stage `report` ran with and that are others here."""
        code = {file.path: file.sha256 for file in self.own.code}
        here = {path: sha256(ROOT / path) for path in code if (ROOT / path).is_file()}
        installed = installed_packages()
        changed = [path for path, digest in code.items() if here.get(path) != digest]
        return changed + [
            f"{name} {version} (here {installed.get(name, 'none')})"
            for name, version in self.own.packages.items()
            if installed.get(name) != version
        ]

    @cached_property
    def rendered(self) -> dict[str, bytes]:
        """Every other file, rendered anew, by path."""
        vega = vega_script_of(self.folder / "index.html")
        return rendered(self.evidence, self.audit, self.sources, self.own, vega)

    def written(self) -> dict[str, str]:
        """Digests of files that stages wrote."""
        return {file.path: file.sha256 for record in self.records for file in record.writes}

    def only_named(self) -> dict[str, str]:
        """Those that do not lie in the folder."""
        return {
            path: digest for path, digest in self.written().items() if not (self.folder / path_in_report(path)).exists()
        }

    def packages_that_differ(self) -> list[str]:
        """Packages of which stages had several versions."""
        found: dict[str, dict[str, str]] = {}
        for record in self.records:
            for package, version in record.packages.items():
                found.setdefault(package, {}).setdefault(version, record.stage)
        return [
            f"{package} {', '.join(f'{version} ({stage})' for version, stage in versions.items())}"
            for package, versions in found.items()
            if len(versions) > 1
        ]
