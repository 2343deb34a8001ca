"""`sresnet study`: writes docs/study.md from the recorded trainings."""

from pipeline.report.study.write import write


def write_study_page() -> None:
    """Writes the page and its figures, and prints their paths. Raises InputError."""
    print("\n".join(str(path) for path in write()))
