"""NannyML: univariate drift, missing values, mean and deviation of each chunk."""

import nannyml
import pandas


def prepare(reference, windows):
    sample = reference.to_pandas()
    frame = pandas.concat([window.to_pandas() for window in windows], ignore_index=True)
    size = len(windows[0])
    names = list(sample.columns)
    numeric = [name for name in names if name.startswith("n")]
    drift = nannyml.UnivariateDriftCalculator(
        column_names=names,
        continuous_methods=["kolmogorov_smirnov", "wasserstein", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_size=size,
    )
    calculators = [
        drift,
        nannyml.MissingValuesCalculator(column_names=names, normalize=False, chunk_size=size),
        nannyml.SummaryStatsAvgCalculator(column_names=numeric, chunk_size=size),
        nannyml.SummaryStatsStdCalculator(column_names=numeric, chunk_size=size),
    ]
    for calculator in calculators:
        calculator.fit(sample)
    return lambda: [calculator.calculate(frame) for calculator in calculators]


def numbers(answer):
    drift, missing, mean, std = (
        result.filter(period="analysis").to_df().reset_index(drop=True) for result in answer
    )
    windows = []
    for i in range(len(drift)):
        window = {}
        for name in drift.columns.get_level_values(0).unique():
            if name == "chunk":
                continue
            found = {"missing": int(missing[name, "value"][i])}
            if name.startswith("n"):
                found |= {
                    "mean": mean[name, "value"][i],
                    "std": std[name, "value"][i],
                    "ks": drift[name, "kolmogorov_smirnov", "value"][i],
                }
            else:
                found["js"] = drift[name, "jensen_shannon", "value"][i]
            window[name] = found
        windows.append(window)
    return windows
