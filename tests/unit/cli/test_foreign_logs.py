"""What Kafka's clients log of themselves: a line where it helps, never a page of traceback."""

import io
import logging

from inferwatch import logs


def test_a_clients_traceback_is_dropped_and_ours_is_kept():
    stream = io.StringIO()
    logs.setup("text", "worker", stream)
    for name in ("kafka.coordinator", "pipeline.owners"):
        try:
            raise ConnectionError("lost")
        except ConnectionError:
            logging.getLogger(name).exception("%s said", name)
    written = stream.getvalue()
    assert "kafka.coordinator said" in written
    assert written.count("Traceback") == 1


def test_the_clients_warnings_of_a_busy_machine_are_muted():
    stream = io.StringIO()
    logs.setup("json", "worker", stream)
    logging.getLogger("kafka.net.selector").warning("Task ran for 0.2s")
    logging.getLogger("kafka.net.manager").warning("Connection failed")
    assert "Task ran" not in stream.getvalue()
    assert "Connection failed" in stream.getvalue()
