"""What both pages of the study show: docs/study.md and a report's study.html."""

from typing import Any

from pipeline.report.study.answers import answered_questions
from pipeline.report.study.dataset import PLANNED_SEEDS, StudyDataset, sizes
from pipeline.report.study.labels import (
    best_rate_text,
    cost_text,
    interval_text,
    open_sentence,
    pair_text,
    rate_text,
    verdict_text,
)
from pipeline.report.study.steps import best_by_step


def content_of(datasets: list[StudyDataset]) -> dict[str, Any]:
    """The values for the templates, and the functions that word them."""
    return {
        "datasets": datasets,
        "answers": answered_questions(datasets),
        "open_sentence": open_sentence(datasets),
        "planned_seeds": PLANNED_SEEDS,
        "by_step": best_by_step(datasets),
        "sizes": sizes,
        "interval": interval_text,
        "interaction": pair_text,
        "at_rate": rate_text,
        "at_best": best_rate_text,
        "verdict": verdict_text,
        "cost": cost_text,
    }
