"""Files of events, written and replayed in a few lines."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from inferwatch.settings import Settings, load
from pipeline.replay.backtest import Inputs, Outcome, backtest

NOW = 2_000_000_000_000

CONFIG = """
defaults: {windows: [1m], lateness: 10s, reference: {learn: "off"}}
retention: {restate: 2m}
models:
  - name: shop
    task: binary
    positive: "yes"
    labels: {horizon: 10m}
"""


class Replayed:
    """What one replay gave: the window lines, and the rest."""

    def __init__(self, lines: bytes, outcome: Outcome) -> None:
        self.lines = lines
        self.windows = [json.loads(line) for line in lines.splitlines()]
        self.outcome = outcome
        self.plain = outcome.summary.as_plain()

    def window(self, **wanted: Any) -> dict[str, Any]:
        """The only window with these values."""
        found = [w for w in self.windows if all(w.get(k) == v for k, v in wanted.items())]
        assert len(found) == 1, f"{len(found)} windows with {wanted}"
        return found[0]


def write_lines(path: Path, events: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., Replayed]:
    """Replay events that are handed in as lists, or as files."""

    def run(
        predictions: Any,
        config: str | Settings = CONFIG,
        *,
        revisions: bool = False,
        by_time: bool = False,
        now_ms: int = NOW,
        bad_times: Any = None,
        see: Any = lambda result: None,
        **others: Any,
    ) -> Replayed:
        settings = load(None, text=config) if isinstance(config, str) else config
        given = {"predictions": predictions, **others}
        files = {}
        for kind, events in given.items():
            if isinstance(events, Path):
                files[kind] = [events]
            elif events and isinstance(events[0], Path):
                files[kind] = list(events)
            else:
                files[kind] = [write_lines(tmp_path / f"{kind}.jsonl", events)]
        out = io.BytesIO()
        outcome = backtest(
            settings,
            Inputs(**files, by_time=by_time),
            now_ms=now_ms,
            windows=out,
            revisions=revisions,
            bad_times=bad_times,
            see=see,
        )
        return Replayed(out.getvalue(), outcome)

    return run
