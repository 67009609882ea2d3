"""A columnar batch of resource samples to columns."""

from __future__ import annotations

from inferwatch.events.fields.names import model_name, version_name
from inferwatch.events.resource import RESOURCE_METRICS
from pipeline.columns import Ints, ResourceRows
from pipeline.decode.arrow_fields import Fields
from pipeline.decode.arrow_measures import measures
from pipeline.decode.arrow_scalars import names, numbers_of_rows, times
from pipeline.decode.faults import Faults


def resource_rows(fields: Fields, latest: Ints, faults: Faults) -> ResourceRows:
    """The columns of all rows, bad ones too; these are noted in `faults`."""
    plain, constants, size = fields.plain, fields.constants, fields.size
    model, models = names(plain.get("model"), constants.get("model"), size, model_name, faults)
    version, versions = names(
        plain.get("version"), constants.get("version"), size, version_name, faults
    )
    return ResourceRows(
        size=size,
        ts=times(plain.get("ts"), latest, faults),
        model=model,
        models=models,
        version=version,
        versions=versions,
        metrics={name: measures(plain.get(name), size) for name in RESOURCE_METRICS},
        seq=numbers_of_rows(plain.get("seq")),
    )
