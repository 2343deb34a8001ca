"""What a conversion of ten million recordings takes, computed from the measurements of benchmarks.bucket."""

from typing import Any

from pipeline.ground.params import MOST_SHARDS

TEN_MILLION = 10_000_000
PAGE_OF_LISTING = 1000
"""Objects that one request lists (S3's ListObjectsV2)."""
REQUESTS_A_SECOND = 5500
"""GET and HEAD that S3 answers in a second, by prefix, at least (Amazon's documentation)."""


def at_ten_million(result: dict[str, Any]) -> dict[str, float]:
    """Bytes, requests and hours, each as if it grew in a straight line."""
    one, counted = result["runs"][2], result["requests"]
    each = {kind: size / one["recordings"] for kind, size in one["bytes"].items()}
    reads = sum(counted["by_method"].get(method, 0) // counted["recordings"] for method in ("HEAD", "GET"))
    return {
        "driver_gb": (one["driver_bytes"] + result["growth"]["driver_bytes_a_recording"] * TEN_MILLION) / 1e9,
        "shards_gb": each["shards"] * TEN_MILLION / 1e9,
        "summaries_gb": each["summaries"] * TEN_MILLION / 1e9,
        "contents_gb": each["contents"] * TEN_MILLION / 1e9,
        "reads_each": reads,
        "reads": reads * (TEN_MILLION + 2 * MOST_SHARDS),
        "listings": 2 * TEN_MILLION / PAGE_OF_LISTING,
        "hours_one_worker": TEN_MILLION / one["recordings_a_second"] / 3600,
        "workers_at_limit": REQUESTS_A_SECOND / (reads * one["recordings_a_second"]),
    }
