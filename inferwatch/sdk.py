"""What a model's own code imports: `from inferwatch.sdk import Monitor`."""

from producers.sdk.asgi import AsgiMiddleware
from producers.sdk.monitor import Monitor
from producers.sdk.wsgi import WsgiMiddleware

__all__ = ["AsgiMiddleware", "Monitor", "WsgiMiddleware"]
