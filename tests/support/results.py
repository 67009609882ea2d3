"""Window results and alerts as a worker would publish them: seeded, with an incident in them.

The story: a fraud model runs quietly; from `INCIDENT_AT` on (a share of the time) a sender gives
`dep_delay` in seconds instead of minutes: its distribution moves, accuracy falls, and latency rises
a little. At `REPAIRED_AT` it is over.
"""

import math
import random
from collections.abc import Iterator

from inferwatch.events.alert import (
    Alert,
    AlertKind,
    AlertWindow,
    Cause,
    Evidence,
    Severity,
    Status,
    Suggestion,
)
from inferwatch.events.window import (
    CategoricalBlock,
    ClassificationBlock,
    ClassQuality,
    LatencyBlock,
    NumericBlock,
    ResourceBlock,
    WindowResult,
)

START = 1_764_000_000_000
MINUTE = 60_000
INCIDENT_AT = 0.7
REPAIRED_AT = 0.9
MOVED = ("dep_delay",)

Z = 1.959963984540054


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    p, d = right / n, 1 + Z * Z / n
    middle = (p + Z * Z / (2 * n)) / d
    half = Z / d * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return middle - half, middle + half


def window(
    i: int = 0,
    *,
    model: str = "flight-delay",
    version: str = "7",
    segment: str | None = None,
    spec: str = "1m",
    size: int = MINUTE,
    start: int = START,
    bad: bool = False,
    revision: int = 0,
    features: int = 6,
    labelled: bool = True,
    seed: int = 0,
    names: tuple[str, ...] = ("dep_delay", "distance", "carrier"),
) -> WindowResult:
    """The i-th window; `bad` is one of the incident's."""
    rng = random.Random(f"{seed}/{model}/{version}/{segment}/{i}")
    rows = int(900 + 250 * math.sin(i / 40) + rng.gauss(0, 25))
    all_names = [*names, *(f"f{n:02d}" for n in range(len(names), features))][:features]
    begin = start + i * size
    return WindowResult(
        model=model,
        version=version,
        segment=segment,
        window=spec,
        start=begin,
        end=begin + size,
        revision=revision,
        final=True,
        rows=rows,
        late=rng.randrange(3),
        duplicates=0,
        lost=rng.choice((0, 0, 0, 0, 0, 0, 0, 2)),
        completeness=1.0,
        reference="5f1d0c6a9b3e7788",
        provisional=False,
        latency=_latency(rng, rows, size, bad),
        quality=_quality(rng, rows, bad) if labelled else None,
        features={n: _feature(n, rng, rows, bad and n in MOVED) for n in all_names},
        prediction=_prediction(rng, rows, bad),
        resources={"cpu_percent": ResourceBlock(mean=rng.gauss(42, 4), max=rng.gauss(70, 5))},
    )


def _latency(rng: random.Random, rows: int, size: int, bad: bool) -> LatencyBlock:
    base = 11 + 1.5 * bad + rng.gauss(0, 0.4)
    errors = sum(rng.random() < (0.02 if bad else 0.002) for _ in range(rows // 4))
    return LatencyBlock(
        count=rows,
        errors=errors,
        error_rate=errors / rows,
        requests_per_s=rows / (size / 1000),
        mean_ms=base * 1.2,
        p50_ms=base,
        p90_ms=base * 2.1,
        p95_ms=base * 2.9 + rng.expovariate(1 / 2),
        p99_ms=base * 5.2 + rng.expovariate(1 / 9),
        p999_ms=base * 12,
        max_ms=base * 20,
    )


def _quality(rng: random.Random, rows: int, bad: bool) -> ClassificationBlock:
    n = int(rows * 0.93)
    right = sum(rng.random() < (0.61 if bad else 0.913) for _ in range(n))
    low, high = wilson(right, n)
    accuracy = right / n
    per_class = ClassQuality(precision=accuracy, recall=accuracy, f1=accuracy, support=n // 2)
    return ClassificationBlock(
        labelled=n,
        label_coverage=n / rows,
        label_delay_p50_ms=40_000.0,
        label_delay_p95_ms=90_000.0,
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        precision=accuracy - 0.01,
        recall=accuracy - 0.02,
        f1=accuracy - 0.015,
        log_loss=0.9 if bad else 0.24,
        brier=0.3 if bad else 0.07,
        ece=0.2 if bad else 0.02,
        roc_auc=0.66 if bad else 0.95,
        confusion={
            "late": {"late": right // 2, "on time": n // 2 - right // 2},
            "on time": {"on time": right - right // 2, "late": n - n // 2 - (right - right // 2)},
        },
        per_class={"late": per_class, "on time": per_class},
    )


def _feature(
    name: str, rng: random.Random, rows: int, moved: bool
) -> NumericBlock | CategoricalBlock:
    psi = abs(rng.gauss(2.9, 0.2) if moved else rng.gauss(0.012, 0.008))
    missing = int(rows * abs(rng.gauss(0, 0.002)))
    if name in ("carrier", "country"):
        return CategoricalBlock(
            count=rows - missing,
            missing=missing,
            non_finite=0,
            type_mismatch=0,
            unseen=0,
            over_limit=0,
            psi=psi,
            chi2=9.1,
            chi2_pvalue=0.4,
            js=psi / 10,
            drift=moved,
            top=(("UA", 0.33), ("B6", 0.31), ("DL", 0.2), ("AA", 0.16)),
        )
    scale = 60 if moved else 1
    return NumericBlock(
        count=rows - missing,
        missing=missing,
        non_finite=0,
        type_mismatch=0,
        out_of_range=rows // 3 if moved else 0,
        mean=12.6 * scale,
        std=40.0 * scale,
        min=-20.0 * scale,
        max=1300.0 * scale,
        p05=-9.0 * scale,
        p50=-1.0 * scale,
        p95=88.0 * scale,
        ks=min(1.0, abs(rng.gauss(0.71, 0.01) if moved else rng.gauss(0.02, 0.006))),
        ks_pvalue=0.0 if moved else 0.4,
        psi=psi,
        js=min(1.0, psi / 5),
        wasserstein=psi * 3,
        drift=moved,
    )


def _prediction(rng: random.Random, rows: int, bad: bool) -> CategoricalBlock:
    late = min(0.99, max(0.01, rng.gauss(0.56 if bad else 0.22, 0.012)))
    entropy = -sum(p * math.log2(p) for p in (late, 1 - late))
    return CategoricalBlock(
        count=rows,
        missing=0,
        non_finite=0,
        type_mismatch=0,
        unseen=0,
        over_limit=0,
        psi=0.5 if bad else 0.003,
        chi2=1.0,
        chi2_pvalue=0.3,
        js=0.02,
        drift=bad,
        top=tuple(sorted((("on time", 1 - late), ("late", late)), key=lambda t: -t[1])),
        entropy=entropy,
        collapsed=False,
    )


def stretch(count: int, *, incident: bool = False, **options: object) -> Iterator[WindowResult]:
    """`count` windows in a row; with `incident` the story of this module's docstring."""
    for i in range(count):
        bad = incident and INCIDENT_AT * count <= i < REPAIRED_AT * count
        yield window(i, bad=bad, **options)  # type: ignore[arg-type]


def alert(
    *,
    incident: str = "inc-20251124-quality",
    status: Status = Status.FIRING,
    severity: Severity = Severity.PAGE,
    kind: AlertKind = AlertKind.QUALITY,
    model: str = "flight-delay",
    version: str = "7",
    starts_at: int = START,
    updated_at: int | None = None,
    revision: int = 0,
    summary: str | None = None,
) -> Alert:
    """One transition of the incident of the story."""
    at = starts_at if updated_at is None else updated_at
    return Alert(
        fingerprint="a94a8fe5ccb19ba6",
        incident=incident,
        status=status,
        severity=severity,
        starts_at=starts_at,
        ends_at=at if status == Status.RESOLVED else None,
        updated_at=at,
        rule="accuracy-drop",
        kind=kind,
        model=model,
        version=version,
        segment=None,
        window=AlertWindow(window="1m", start=at - MINUTE, end=at, revision=revision),
        metric="quality.accuracy",
        value=0.612,
        baseline=0.913,
        threshold=0.863,
        rows=871,
        completeness=1.0,
        labels={"alertname": "accuracy-drop", "model": model, "team": "risk"},
        summary=summary
        or f"{model} 7 is right in 61.2 % of cases instead of 91.3 %: dep_delay arrives in seconds",
        evidence=(
            Evidence(
                text="median of dep_delay grew 60-fold",
                metric="features.dep_delay.p50",
                before=-1.0,
                after=-60.0,
                share=0.82,
            ),
            Evidence(
                text="values above anything in the reference",
                metric="features.dep_delay.out_of_range",
                before=0.0,
                after=0.33,
            ),
            Evidence(text="share of 'late'", metric="prediction", before=0.22, after=0.56),
        ),
        causes=(
            Cause(
                cause="unit_change",
                confidence=0.93,
                why="every quantile of dep_delay is 60 times the reference's: minutes to seconds",
            ),
            Cause(
                cause="population_shift",
                confidence=0.05,
                why="no segment explains the change, and no other feature moved",
            ),
        ),
        suggestions=(
            Suggestion(
                text="Ask the owner of the feature pipeline what was deployed before it began",
            ),
            Suggestion(
                text="See the feature beside its reference",
                command=f"inferwatch reference show {model}",
            ),
            Suggestion(
                text="Silence it while it is being repaired",
                command="inferwatch silence add alertname=accuracy-drop --duration 2h",
            ),
        ),
        runbook_url="https://runbooks.example.com/accuracy-drop",
    )
