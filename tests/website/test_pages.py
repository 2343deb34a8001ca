"""The pages of the site that are generated from the code."""

import dataclasses
import re

import pytest
from ruamel.yaml import YAML

from models.config import NetworkConfig
from pipeline.cli.command_line import app
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import ROOT
from pipeline.protocol.config import TrainingConfig
from website.commands import commands_page
from website.params_page import params_page


def test_every_command_is_there() -> None:
    page = commands_page()
    assert [f"## {command.name}" for command in app.registered_commands if not command.hidden] == [
        line for line in page.splitlines() if line.startswith("## ")
    ]
    assert "sresnet use PROFILE [--data DIR] [--seeds N]" in page
    assert "results/audit-checkpoint/&lt;dataset>-&lt;digest>/" in page
    assert "| `--seeds N` | Train each experiment with seeds 0 to N-1. Default: the profile's. |" in page


def test_every_key_is_there_with_its_type_and_values() -> None:
    page = params_page()
    fields = [field.name for kind in (NetworkConfig, TrainingConfig) for field in dataclasses.fields(kind)]
    for key in [*fields, *ClusterParams.model_fields]:
        assert f"\n### {key} " in page
    assert "### blocks {#model.blocks }\n\n**whole number, 1 to 200**\n\nn, residual blocks" in page
    assert "**number, 1e-09 to 1,000**" in page
    assert "**whole number, 1 to 10,000; milliseconds**" in page
    assert "| quick | real-small | study | study-rates | gpu | low-latency | paper |" in page


def test_the_pages_by_hand_are_in_the_navigation() -> None:
    """MkDocs asks this too, when it builds."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert text.count("site_name") == 1
    named = set(_leaves(YAML(typ="safe").load(text)["nav"]))
    assert {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} <= named


def _leaves(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = node if isinstance(node, list) else list(node.values()) if isinstance(node, dict) else []
    return [leaf for part in inner for leaf in _leaves(part)]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "cluster/README.md"])
def test_links_between_files_lead_to_files(name: str) -> None:
    """Of the pages outside of docs/, whose links MkDocs does not see as they are read on a server for git."""
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
