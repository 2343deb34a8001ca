"""`sresnet curves`: records reference curves from finished trainings."""

from pipeline.ground.errors import InputError
from pipeline.ground.names import check_name, checked
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.protocol.curves import curves_path, recorded
from pipeline.protocol.params import load_params


def record_curves(experiment: str) -> None:
    """Writes results/curves-<experiment>.json. Raises InputError."""
    checked(f"EXPERIMENT {experiment}", check_name, experiment)
    folders = sorted(path.parent for path in (ROOT / "artifacts" / experiment).glob("*/history.csv"))
    if not folders:
        finished = sorted({path.parents[1].name for path in (ROOT / "artifacts").glob("*/*/history.csv")})
        raise InputError(
            f"{experiment}: no finished training; artifacts/ has trainings of {', '.join(finished) or 'nothing'}, and "
            f"params.yaml has the experiments {', '.join(load_params().experiments)}"
        )
    curves, path = recorded(experiment, folders), curves_path(RESULTS, experiment)
    curves.write(path)
    print(f"{path}: {len(curves.histories)} trainings, seeds {', '.join(curves.histories)}")
