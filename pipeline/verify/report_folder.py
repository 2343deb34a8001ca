"""A report's folder as `sresnet verify` reads it: the evidence, and values derived from it."""

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
from pipeline.report import attestation
from pipeline.report.bundle import EVIDENCE, path_in_report
from pipeline.report.crate import read_crate
from pipeline.report.vega import vega_script_of
from pipeline.report.write import rendered, sources
from pipeline.verify.configurations import read_run_config

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey


def strict_manifest(path: Path) -> Manifest:
    """The manifest of a split, with types checked. Raises InputError."""
    return read_as(Manifest, path, "the manifest of a split", "`dvc repro preprocess` makes it again")


class ReportFolder:
    """Properties are read at first use and cached. They raise InputError."""

    def __init__(self, folder: Path, pinned: "SSlibKey | None", root: Path | None) -> None:
        self.folder, self.evidence = folder, folder / EVIDENCE
        self.pinned = pinned
        """The key whose signatures count (--key), or None."""
        self.root = root
        """A checkout with data and weights (--root), or None."""
        self.strayed: list[str] = []
        """Notes on recomputed values that differ from the stated ones within the tolerance."""
        self._digests: dict[Path, str] = {}

    @cached_property
    def listed(self) -> dict[str, FileDigest]:
        """The files that ro-crate-metadata.json lists, by path."""
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
        """The config.json of a result's training."""
        return read_run_config(self.evidence / run_folder(record) / "config.json")

    @cached_property
    def signer(self) -> "SSlibKey | None":
        """The pinned key, or else the one that came with the signatures, or None."""
        if self.pinned is not None or not attestation.is_signed(self.folder):
            return self.pinned
        from pipeline.report.signing import read_public_key  # takes a while to import

        return read_public_key(self.folder / attestation.STATEMENTS / attestation.KEY_FILE)

    @cached_property
    def params(self) -> dict[str, Any]:
        """The content of params.yaml, checked for missing and unknown keys and for bounds."""
        path = self.evidence / "params.yaml"
        content = read_yaml(path, shared=False)
        validate(ResultParams, content, path)
        return content

    @cached_property
    def audit(self) -> Audit:
        """All verdicts, judged again on the results in the folder."""
        claims = self.evidence / "paper" / "claims.yaml"
        current = [
            self.evidence / "results" / run["experiment"] / f"{run['seed']}.json"
            for run in self.params["runs"].values()
        ]
        return make_audit(self.params["profile"], claims, self.evidence, current, read_whole_record)

    @cached_property
    def stages(self) -> list[str]:
        """Stages that the chain must have, in order."""
        return [*self.audit.stages, REPORT_STAGE]

    @cached_property
    def records(self) -> list[StageRecord]:
        return chain.read_stage_records(self.evidence / RECORDS, self.stages)

    @cached_property
    def sources(self) -> list[FileDigest]:
        """The evidence files, from which everything else in the folder is rendered."""
        return sources(self.audit, self.evidence, self.sha256)

    @cached_property
    def own(self) -> StageRecord:
        """The record of the stage `report`."""
        return read_stage_record(self.evidence / path_of(REPORT_STAGE))

    def other_makers(self) -> list[str]:
        """Code files and packages of the stage `report` that differ from those here."""
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
        """All files that are not evidence, rendered again, by path."""
        vega = vega_script_of(self.folder / "index.html")
        return rendered(self.evidence, self.audit, self.sources, self.own, vega)

    def written(self) -> dict[str, str]:
        """Digests of the files that stages wrote, by path."""
        return {file.path: file.sha256 for record in self.records for file in record.writes}

    def only_named(self) -> dict[str, str]:
        """Those of `written` that are not in the folder."""
        return {
            path: digest for path, digest in self.written().items() if not (self.folder / path_in_report(path)).exists()
        }

    def packages_that_differ(self) -> list[str]:
        """Packages whose version differs between stages."""
        found: dict[str, dict[str, str]] = {}
        for record in self.records:
            for package, version in record.packages.items():
                found.setdefault(package, {}).setdefault(version, record.stage)
        return [
            f"{package} {', '.join(f'{version} ({stage})' for version, stage in versions.items())}"
            for package, versions in found.items()
            if len(versions) > 1
        ]
