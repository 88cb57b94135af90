"""Stands in for a service of yours in a trial: prints each JSON that is posted to it. `python target.py PORT`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Target(BaseHTTPRequestHandler):
    """Accepts every POST, on any path."""

    protocol_version = "HTTP/1.1"  # keeps connections open

    def do_POST(self) -> None:
        """Print the rule, the idempotency key and the text of a notification."""
        posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sys.stdout.write(f"{self.path} {posted['rule']} {posted['key']} {posted['text']}\n")
        sys.stdout.flush()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object, **__: object) -> None:
        """Write no line of the server itself for each request."""


class Server(ThreadingHTTPServer):
    """Lets many connections wait, since a worker opens many at once."""

    request_queue_size = 256


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Target).serve_forever()
