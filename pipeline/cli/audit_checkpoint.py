"""`sresnet audit-checkpoint`: evaluates weights that the authors published on a preprocessed test split."""

from pathlib import Path

from pipeline.authors.published import audit_checkpoint, audit_text
from pipeline.ground.lifetime import watched_run
from pipeline.ground.names import check_name, checked
from pipeline.ground.params import load_cluster, load_dataset
from pipeline.ground.paths import RESULTS, arrow


def audit_published(file: Path, dataset: str, data: Path | None, leak: float) -> None:
    """Evaluates the checkpoint on the shards in `data`, by default data/arrow/<dataset>. Raises InputError."""
    checked(f"--dataset {dataset}", check_name, dataset)
    if data is None:
        load_dataset(dataset)
    folder = (data or arrow(dataset)).resolve()
    with watched_run():
        audited = audit_checkpoint(file, folder, dataset, leak, load_cluster(), RESULTS / "audit-checkpoint")
    print(audit_text(*audited))
