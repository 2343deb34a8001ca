"""`sresnet curves`: reference curves from finished trainings."""

from pipeline.ground.names import check_name, checked
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.protocol.curves import curves_path, recorded


def record_curves(experiment: str) -> None:
    """Writes results/curves-<experiment>.json. Raises InputError."""
    checked(f"EXPERIMENT {experiment}", check_name, experiment)
    folders = sorted(path.parent for path in (ROOT / "artifacts" / experiment).glob("*/history.csv"))
    curves, path = recorded(experiment, folders), curves_path(RESULTS, experiment)
    curves.write(path)
    print(f"{path}: {len(curves.histories)} trainings, seeds {', '.join(curves.histories)}")
