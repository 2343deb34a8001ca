"""Checks of where the evidence comes from: the stages that wrote it, the claims, and the checkout."""

from collections.abc import Iterator

from pipeline.ground import paths
from pipeline.ground.differences import value_differences
from pipeline.ground.files import sha256
from pipeline.ground.stage_record import RECORDS
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge import chain
from pipeline.judge.ablations import claim_files
from pipeline.judge.chain import Break
from pipeline.judge.claims import read_claims
from pipeline.judge.measured import AGREEMENT_STAGE, MEASURED
from pipeline.report.bundle import PARAMETERS, path_in_report
from pipeline.verify.report_folder import ReportFolder


def links(report: ReportFolder) -> Iterator[Break]:
    """Every stage has a record and read what an earlier one wrote; copies in the folder have the recorded digests."""
    yield from chain.breaks(report.evidence / RECORDS, report.stages)
    for record in report.records:
        for file in record.writes:
            path = report.folder / path_in_report(file.path)
            if path.is_file() and report.sha256(path) != file.sha256:
                expected = f"SHA-256 {file.sha256} as {record.stage} wrote it"
                yield Break(link="chain", file=report.name(path), expected=expected, found=report.sha256(path))


def files_in_checkout(report: ReportFolder) -> Iterator[Break]:
    """Files in the checkout given by --root have the recorded digests: data and weights, and files that the report
    only names."""
    if report.root is None:
        return
    made = {name: digest for name, digest in report.written().items() if name.startswith(("data/", "artifacts/"))}
    for name, digest in sorted((made | report.only_named()).items()):
        path = report.root / name
        found = sha256(path) if path.is_file() else "no such file"
        if found != digest:
            yield Break(link="data and weights", file=str(path), expected=f"SHA-256 {digest}", found=found)


def checkout(report: ReportFolder) -> Iterator[Break]:
    """If the report is this checkout's own, its evidence equals the files that are in the checkout now."""
    if report.folder.resolve() != paths.REPORT.resolve():
        return
    if differ := [*_other_sources(report), *_other_results(report), *_other_params(report)]:
        more = f" and {len(differ) - 1} more file(s) or value(s)" if len(differ) > 1 else ""
        expected = f"{differ[0]}{more} as in the checkout; `dvc repro report` updates the report"
        yield Break(link="checkout", file=report.folder.name, expected=expected, found="others")


def _other_sources(report: ReportFolder) -> Iterator[str]:
    """Evidence files that differ from those in the checkout; files that were not pulled are skipped."""
    for file in report.sources:
        path = paths.ROOT / file.path
        if file.path != "params.yaml" and path.is_file() and sha256(path) != file.sha256:
            yield file.path


def _other_results(report: ReportFolder) -> list[str]:
    """Results that are only in the checkout, or only in the report."""
    there, here = (
        {path.relative_to(root).as_posix() for path in (root / "results").glob("*/*.json") if path.stem.isdecimal()}
        for root in (report.evidence, paths.ROOT)
    )
    return sorted(here ^ there)


def _other_params(report: ReportFolder) -> Iterator[str]:
    params = read_yaml(paths.PARAMS)
    stated = {part: params.get(part) for part in PARAMETERS}
    yield from (f"params.yaml: {where}" for where, _, _ in value_differences(stated, report.params))


def claims(report: ReportFolder) -> Iterator[Break]:
    """The judged claims, with the deviations and the list of unchecked points, are those of this repository."""
    path = report.evidence / "paper" / "claims.yaml"
    here, there = ({file.name: file.read_bytes() for file in claim_files(one)} for one in (paths.CLAIMS, path))
    differ = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    own, judged = (read_claims(one).model_dump(mode="json") if differ else {} for one in (paths.CLAIMS, path))
    files = " and ".join(report.name(path.with_name(name)) for name in differ)
    for where, ours, theirs in value_differences(own, judged):
        expected = f"{where} {ours} as in {' and '.join(str(paths.CLAIMS.with_name(name)) for name in differ)}"
        yield Break(link="claims", file=files, expected=expected, found=str(theirs))
    citation = report.evidence / "CITATION.cff"
    if citation.read_bytes() != paths.CITATION.read_bytes():
        expected = f"the bytes of {paths.CITATION}"
        yield Break(link="claims", file=report.name(citation), expected=expected, found="others")


def measurements(report: ReportFolder) -> Iterator[Break]:
    """The stage agreement read the judged claims and this code's recorded numbers; what it wrote is in the folder."""
    known = {f"paper/golden/{path.name}": path for path in (paths.CLAIMS.parent / "golden").iterdir()}
    known |= {f"paper/{path.name}": path for path in claim_files(report.evidence / "paper" / "claims.yaml")}
    for record in report.records:
        if record.stage != AGREEMENT_STAGE:
            continue
        written, read = {file.path for file in record.writes}, {file.path: file.sha256 for file in record.reads}
        path = report.evidence / MEASURED
        if MEASURED.as_posix() not in written or not path.is_file():
            expected = "the measurements that the stage agreement wrote"
            yield Break(link="measurements", file=report.name(path), expected=expected, found="none")
        for name, digest in ((name, sha256(path)) for name, path in known.items()):
            if read.get(name) != digest:
                expected = f"SHA-256 {digest} read by the stage agreement"
                yield Break(link="measurements", file=name, expected=expected, found=str(read.get(name)))
