"""A batch job that tells what it predicted, and later what was right: `python batch_job.py`.

Needs a Kafka at INFERWATCH_BROKER (localhost:9092); without one it does its work all the same.
"""

import os

from inferwatch.sdk import Monitor

BROKER = os.environ.get("INFERWATCH_BROKER", "localhost:9092")

PAYMENTS = [
    {"amount": 12.5, "country": "DE"},
    {"amount": 730.0, "country": "FR"},
    {"amount": 88.0, "country": "DE"},
]

monitor = Monitor(
    broker=BROKER, model="fraud", version="7", segments={"country": "feature:country"}
)


def predict(payment: dict[str, object]) -> str:
    """A very simple model."""
    return "fraud" if float(str(payment["amount"])) > 500 else "legit"


for number, payment in enumerate(PAYMENTS):
    with monitor.measure() as call:
        call.log(features=payment, prediction=predict(payment), id=f"payment-{number}")

monitor.label("payment-1", "legit")  # when somebody has looked into it

monitor.close()  # the end of the process does it too
print(f"{monitor.published} events published, {monitor.dropped} dropped")
