"""docs/study.md and its pictures: the profile `study`, written from the records of its trainings."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.audit.record import Record, read_record
from pipeline.audit.study import BASE, PREFIX, Cell, Configuration, cells, not_run, significant
from pipeline.files import write_whole
from pipeline.report.figures import BLUE, GREEN, ORANGE

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = {"better": BLUE, "worse": ORANGE, "by itself": "#56B4E9", "open": "#999999"}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A training of the profile."""

    experiment: str
    dataset: str
    configuration: Configuration
    """As a record has it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One dataset of the study."""

    name: str
    base: Record
    """Of its first seed."""
    cells: list[Cell]
    holds: set[str]
    """Parts whose difference stays after Holm's correction."""
    sizes: str

    @property
    def others(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.part != BASE]

    @property
    def at_base(self) -> Cell:
        return self.cells[0]

    def words(self, cell: Cell) -> str:
        return cell.words(cell.part in self.holds)

    def relative(self, cell: Cell) -> float:
        """Operations against the base's."""
        return cell.operations / self.at_base.operations


def write_study(declared: Mapping[str, Declared], results: Path, into: Path) -> list[Path]:
    """Writes study.md and study-<dataset>.svg into a folder, and gives their paths; `declared` by name of the run.

    Raises InputError for a record that lacks something.
    """
    known = [read_record(path) for path in sorted(results.glob(f"{PREFIX}*/*.json"))]
    datasets = dict.fromkeys(about.dataset for about in declared.values())
    parts = [part for name in datasets if (part := make_part(name, known, declared)) is not None]
    pictures = {into / f"study-{part.name}.svg": picture(part) for part in parts}
    for path, content in pictures.items():
        write_whole(path, content)
    missing = not_run(declared, known)
    environment = Environment(  # noqa: S701 # Markdown
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("study.md.j2").render(
        parts=parts, both=in_both(parts), missing=missing, planned=len(declared), by_dataset=counted(declared, missing)
    )
    write_whole(into / "study.md", text.encode())
    return [into / "study.md", *pictures]


def make_part(name: str, records: list[Record], declared: Mapping[str, Declared]) -> Part | None:
    mine = [about for about in declared.values() if about.dataset == name]
    configurations = {about.experiment.removeprefix(f"{PREFIX}{name}-"): about.configuration for about in mine}
    found = cells(records, name, configurations)
    if not found:
        return None
    base = next(record for record in records if record.experiment == f"{PREFIX}{name}-{BASE}")
    return Part(name=name, base=base, cells=found, holds=significant(found), sizes=sizes(base))


def sizes(record: Record) -> str:
    """What every caption has to say."""
    network, training, data = record.network, record.training, record.dataset
    layers, epochs = 6 * network["blocks"] + 2, training["epochs"]
    return (
        f"{data['title']}, {layers} layers, {network['width']} filters, T = {network['time_steps']}, "
        f"{epochs} epochs of {data['train_samples']:,} samples, {data['test_samples']:,} test samples"
    )


def in_both(parts: list[Part]) -> list[tuple[str, list[Cell | None]]]:
    """Comparisons that more than one dataset has, the same change against the same reference, with each one's cell."""
    named = [{(cell.part, cell.reference, cell.changed): cell for cell in part.others} for part in parts]
    keys = list(dict.fromkeys(key for each in named for key in each))
    rows = [
        (f"{part} - {reference}", [each.get((part, reference, changed)) for each in named])
        for part, reference, changed in keys
    ]
    return [(name, row) for name, row in rows if sum(cell is not None for cell in row) > 1]


def counted(declared: Mapping[str, Declared], missing: list[str]) -> dict[str, tuple[int, int]]:
    """Of each dataset: trainings that ran, and that are declared."""
    every = Counter(about.dataset for about in declared.values())
    absent = Counter(declared[run].dataset for run in missing)
    return {dataset: (number - absent[dataset], number) for dataset, number in every.items()}


def picture(part: Part) -> bytes:
    """Differences with their intervals, and accuracy against operations, as SVG."""
    import vl_convert

    chart = (forest(part) | pareto(part)).configure_view(stroke=None).properties(title=part.sizes)
    return bytes(vl_convert.vegalite_to_svg(chart.to_json()), "utf-8")


def forest(part: Part) -> alt.Chart:
    rows = [
        {
            "part": f"{cell.part} - {cell.reference}",
            "mean": d.mean,
            "low": d.low,
            "high": d.high,
            "is": "by itself" if "by itself" in part.words(cell) else part.words(cell),
        }
        for cell in part.others
        if (d := cell.difference) is not None and d.low is not None
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=320)),
        color=alt.Color("is:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))),
    )
    x = alt.X("low:Q", title="difference of test accuracy (points), 95 % interval")
    zero = alt.Chart(pd.DataFrame([{"x": 0}])).mark_rule(color="#666666", strokeDash=[3, 3]).encode(x="x:Q")
    return (
        zero
        + base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
        + base.mark_point(filled=True, size=50).encode(x="mean:Q")
    ).properties(width=420)


def pareto(part: Part) -> alt.Chart:
    front = frontier(part.cells)
    rows = [
        {"part": cell.part, "accuracy": cell.accuracy, "operations": cell.operations / 1e6, "front": cell.part in front}
        for cell in part.cells
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X(
            "operations:Q",
            title="effective operations a sample (M)",
            scale=alt.Scale(type="log", nice=False, padding=20),
        ),
        y=alt.Y("accuracy:Q", title="test accuracy (%), mean over seeds", scale=alt.Scale(zero=False)),
    )
    shown = alt.datum.front == True  # noqa: E712 # Altair's expression
    line = base.transform_filter(shown).mark_line(interpolate="step-after", color=GREEN)
    names = base.transform_filter(shown).mark_text(align="left", dx=6, dy=-7).encode(text="part:N")
    points = base.mark_circle(size=45).encode(color=alt.condition(shown, alt.value(GREEN), alt.value("#999999")))
    return (line + points + names).properties(width=420, height=420)


def frontier(every: list[Cell]) -> set[str]:
    """Cells that no other beats in accuracy or operations without losing in the other."""

    def beats(one: Cell, other: Cell) -> bool:
        as_good = one.accuracy >= other.accuracy and one.operations <= other.operations
        return as_good and (one.accuracy, one.operations) != (other.accuracy, other.operations)

    return {cell.part for cell in every if not any(beats(other, cell) for other in every)}
