"""The driver process that the chaos test kills: python -m tests.chaos.driver JOB"""

import pickle
import sys
from pathlib import Path

from pipeline.train.on_ray import fit

if __name__ == "__main__":
    job, cluster = pickle.loads(Path(sys.argv[1]).read_bytes())
    fit(job, cluster)
