"""Faults of the pages: they differ from the evidence. Digests are recomputed after the change."""

import json
import shutil
from collections.abc import Callable
from functools import partial

from tests.faults.fault import Fault, add
from tests.faults.lab import Lab

FAULTS: list[Fault] = []
fault = partial(add, FAULTS, "a page that shows something else", anew=True)
Change = tuple[str, str, str, str]
"""What it is; file; text; what stands in its place."""
CHANGES: tuple[Change, ...] = (
    ("a script turns verdicts green", "index.html", "</body>", "<script>verdicts.forEach(green)</script></body>"),
    ("a style hides rows", "index.html", "</style>", "tr{display:none}</style>"),
    ("the table lies in a template", "index.html", "<main>", "<main><p>REPRODUCED</p><template>"),
    ("points moved in the chart of claims", "index.html", '"estimate":', '"estimate":99.9,"was":'),
    ("a row in a comment of report.md", "report.md", "| NOT RUN |", "| REPRODUCED | <!-- | NOT RUN |"),
    ("a badge says REPRODUCED", "badges/cifar10-accuracy.svg", "NOT RUN", "REPRODUCED"),
    ("a row of results.csv", "results.csv", "\n", "\nlab,0,Digits,this run,test_accuracy,99.9,percent,,,1,\n"),
)


def replaced(name: str, old: str, new: str) -> Callable[[Lab], None]:
    def plant(lab: Lab) -> None:
        path = lab.report / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{name} has no {old!r}")
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        lab.mend_report()

    return plant


for _form, _name, _old, _new in CHANGES:
    fault(_form, rf"page: {_name}: expected line")(replaced(_name, _old, _new))


@fault("a badge and a page more", r"page: badges/best\.svg: expected only files that follow")
def _(lab: Lab) -> None:
    shutil.copy(lab.report / "badge.svg", lab.report / "badges" / "best.svg")
    shutil.copy(lab.report / "index.html", lab.report / "better.html")
    lab.mend_report()


@fault("a result that is a link to a file outside", r"files: .*0\.json: expected a plain file.*found a link")
def _(lab: Lab) -> None:
    path = lab.report / "evidence" / "results" / lab.experiment / "0.json"
    path.rename(lab.root / "outside.json")
    path.symlink_to(lab.root / "outside.json")


@fault("a key that stands twice in audit.json", r"page: audit\.json")
def _(lab: Lab) -> None:
    path = lab.report / "audit.json"
    path.write_text('{"profile": "better", ' + path.read_text(encoding="utf-8").lstrip("{"), encoding="utf-8")
    lab.mend_report()


@fault("results of another profile invented, without answers", r"do not affect verdicts|recorded, not checked")
def _(lab: Lab) -> None:
    """What they say is shown as not checked; that no verdict moves is asserted in tests/judge."""
    result = lab.root / "results" / lab.experiment / "0.json"
    content = json.loads(result.read_text(encoding="utf-8"))
    invented = lab.root / "results" / "invented" / "9.json"
    invented.parent.mkdir()
    invented.write_text(json.dumps(content | {"experiment": "invented", "seed": 9}), encoding="utf-8")
    lab.stage("report")
