"""A Flask model server that watches itself: `gunicorn --preload --workers 4 flask_server:app`.

    curl -H 'content-type: application/json' http://127.0.0.1:8000/v1/models/fraud:predict \
         -d '{"instances": [{"amount": 12.5, "country": "DE"}]}'

It speaks KServe's V1 protocol, which needs no route and names the model. Each worker sends by
itself.
Needs `pip install flask gunicorn`, and a Kafka at INFERWATCH_BROKER (localhost:9092).
"""

import os

from flask import Flask, request

from inferwatch.sdk import WsgiMiddleware

BROKER = os.environ.get("INFERWATCH_BROKER", "localhost:9092")

app = Flask("fraud")
app.wsgi_app = WsgiMiddleware(app.wsgi_app, broker=BROKER)


@app.post("/v1/models/<name>:predict")
def predict(name: str) -> dict[str, list[str]]:
    """A very simple model."""
    rows = request.get_json()["instances"]
    return {"predictions": ["fraud" if row["amount"] > 500 else "legit" for row in rows]}
