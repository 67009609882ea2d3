"""Evidently: a report of data drift of each window, by the tests it picks itself at this size."""

import math

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def prepare(reference, windows):
    names = reference.column_names
    definition = DataDefinition(
        numerical_columns=[name for name in names if name.startswith("n")],
        categorical_columns=[name for name in names if name.startswith("c")],
    )
    sample = Dataset.from_pandas(reference.to_pandas(), data_definition=definition)
    frames = [window.to_pandas() for window in windows]
    report = Report([DataDriftPreset()])

    def work():
        datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
        return [report.run(dataset, sample) for dataset in datasets]

    return work


def numbers(answer):
    return [dict(_drifts(snapshot.dict()["metrics"])) for snapshot in answer]


def _drifts(metrics):
    for metric in metrics:
        config, value = metric["config"], metric["value"]
        match config.get("method"):
            case "Wasserstein distance (normed)":
                yield config["column"], {"wasserstein": float(value)}
            case "Jensen-Shannon distance":
                # In nats; ours is in bits.
                yield config["column"], {"js": float(value) / math.sqrt(math.log(2))}
