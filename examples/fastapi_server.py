"""A FastAPI model server that watches itself: `uvicorn fastapi_server:app`.

    curl -H 'content-type: application/json' http://127.0.0.1:8000/predict \
         -d '{"id": "01JD7", "features": {"amount": 12.5, "country": "DE"}}'

Needs `pip install fastapi uvicorn`, and a Kafka at INFERWATCH_BROKER (localhost:9092).
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel

from inferwatch.sdk import AsgiMiddleware

BROKER = os.environ.get("INFERWATCH_BROKER", "localhost:9092")

app = FastAPI()
app.add_middleware(
    AsgiMiddleware,
    broker=BROKER,
    model="fraud",
    version="7",
    # What stands where in this server's own JSON; known protocols need no route.
    routes=[
        {
            "path": "/predict",
            "inputs": "$.features",
            "outputs": "$.label",
            "scores": "$.scores",
            "id": "$.id",
        }
    ],
    redact=["email"],
)


class Payment(BaseModel):
    """One request."""

    id: str
    features: dict[str, float | str]


@app.post("/predict")
def predict(payment: Payment) -> dict[str, object]:
    """A very simple model."""
    fraud = min(1.0, float(payment.features["amount"]) / 1000)
    label = "fraud" if fraud > 0.5 else "legit"
    return {"label": label, "scores": {"fraud": fraud, "legit": 1 - fraud}}
