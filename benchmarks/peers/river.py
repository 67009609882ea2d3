"""River: streaming statistics and an ADWIN drift detector a feature, a value at a time."""

import collections

from river import drift, stats


class Numeric:
    """Its statistics of one numeric feature."""

    def __init__(self):
        self.var, self.min, self.max = stats.Var(ddof=0), stats.Min(), stats.Max()
        self.quantiles = [stats.Quantile(q) for q in (0.05, 0.5, 0.95)]
        self.detector = drift.ADWIN()
        self.all = (self.var, self.min, self.max, *self.quantiles, self.detector)

    def update(self, value):
        for statistic in self.all:
            statistic.update(value)

    def numbers(self):
        return {
            "count": int(self.var.mean.n),
            "mean": self.var.mean.get(),
            "std": self.var.get() ** 0.5,
            "min": self.min.get(),
            "max": self.max.get(),
            "p50": self.quantiles[1].get(),
        }


class Categorical:
    """Its statistics of one categorical feature; it counts no values, so a dict does."""

    def __init__(self):
        self.mode = stats.Mode()
        self.counts = collections.Counter()

    def update(self, value):
        self.mode.update(value)
        self.counts[value] += 1

    def numbers(self):
        top, count = self.counts.most_common(1)[0]
        assert self.mode.get() == top
        total = self.counts.total()
        return {"count": total, "top": [top, count / total]}


def prepare(reference, windows):
    lists = [window.to_pydict() for window in windows]

    def work():
        answer = []
        for window in lists:
            features = {
                name: Categorical() if isinstance(values[0], str) else Numeric()
                for name, values in window.items()
            }
            columns = list(features.values())
            # Row by row: that is how a stream comes.
            for row in zip(*window.values(), strict=True):
                for feature, value in zip(columns, row, strict=True):
                    feature.update(value)
            answer.append(features)
        return answer

    return work


def numbers(answer):
    return [{name: feature.numbers() for name, feature in window.items()} for window in answer]
