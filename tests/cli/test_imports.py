"""Modules that take seconds to import are imported only by commands that use them; checking commands start fast."""

import subprocess
import sys

import pytest

from pipeline.ground.paths import ROOT

SLOW = {"torch", "ray", "scipy", "pandas"}
COMMANDS: dict[str, set[str]] = {
    "sresnet check": set(),
    "sresnet use --help": set(),
    "sresnet results": set(),
    "sresnet forensics 72.98 --test-size 1000": set(),
    "stages.download none": set(),
    "stages.preprocess none": set(),
    "stages.train none": {"torch"},
    "stages.evaluate none": {"torch"},
}
"""What each may import of these."""
CODE = """
import runpy, sys
sys.argv = sys.argv[1:]
module = "pipeline.cli.command_line" if sys.argv[0] == "sresnet" else sys.argv[0]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    print("IMPORTED", *sys.modules)
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_only_what_it_needs(command: str) -> None:
    process = [sys.executable, "-c", CODE, *command.split()]
    said = subprocess.run(process, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    imported = said.rpartition("IMPORTED ")[2].split()
    assert {name.partition(".")[0] for name in imported} >= {"pipeline"}
    assert SLOW & {*imported} <= COMMANDS[command]
