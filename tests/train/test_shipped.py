"""What Ray Train's controller loads needs neither torch nor Ray."""

import subprocess
import sys

from pipeline.ground.paths import ROOT


def test_the_controller_needs_no_torch() -> None:
    code = "import sys, pipeline.train.shipped; sys.exit(sorted({'torch', 'ray', 'numpy'} & sys.modules.keys()) or 0)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
