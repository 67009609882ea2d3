"""What `inferwatch status` says to a person of what is kept, and of what was given up."""

from inferwatch.commands.status import print_status
from pipeline.status import KeptStatus, ModelStatus, PartitionStatus, SystemStatus

MIB = 2**20


def text_of(capsys, *, kept=None, **totals):
    partition = {"topic": "inference.labels", "partition": 3, "worker": "w", "offset": 9, "lag": 0}
    counts = {"rows": 10, "duplicates": 0, "too_late": 0, "rejected": {}}
    model = {"watermark": None, "behind_ms": None, "window": None, "rows": None}
    print_status(
        SystemStatus(
            at=0,
            workers=1,
            lag=0,
            partitions=[PartitionStatus(**partition, **counts, **totals)],
            models=[ModelStatus(model="fraud", completeness=None, kept=kept, **model)],
        )
    )
    return capsys.readouterr().out


def test_a_sample_that_fell_is_told_with_what_is_held(capsys):
    kept = KeptStatus(sample=0.125, of=0.5, bytes=130 * MIB, memory=256 * MIB)
    assert (
        "fraud: labels of 12.5 % of the ids are counted, not of 50 %: kept predictions take "
        "130 MiB of labels.memory 256 MiB"
    ) in text_of(capsys, kept=kept)


def test_a_sample_as_configured_is_nothing_to_tell(capsys):
    kept = KeptStatus(sample=0.5, of=0.5, bytes=130 * MIB, memory=256 * MIB)
    assert "labels" not in text_of(capsys, kept=kept)


def test_what_made_room_for_others_is_counted(capsys):
    told = text_of(capsys, senders_forgotten=1, labels_given_up=20)
    assert "inference.labels:3: 1 sender forgotten for others" in told
    assert "inference.labels:3: 20 labels given up: they found no prediction" in told
