"""The admin port: health, metrics, and events by HTTP; apart from the model's own traffic."""
