"""`sresnet study`: docs/study.md from the recorded trainings."""

from pipeline.report.study.write import write


def write_study_page() -> None:
    """Names every file that it wrote. Raises InputError."""
    print("\n".join(str(path) for path in write()))
