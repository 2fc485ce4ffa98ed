"""A relay between the client and the server that writes down what passes."""

import http.server
import json
import sys
import threading
import urllib.error
import urllib.request


class Listener(http.server.ThreadingHTTPServer):
    """Says nothing of clients that go away, which they do when they end."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Relay:
    """Listens on a free port and hands everything to `target`."""

    def __init__(self, target):
        self.passed = []  # (method, message class or None, status, body of the answer)
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relayed(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = urllib.request.Request(target + self.path, body or None, method=self.command)
                request.add_header("Content-Type", "application/json")
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        status, kind, text = answer.status, answer.headers["Content-Type"], answer.read()
                except urllib.error.HTTPError as answer:
                    status, kind, text = answer.code, answer.headers["Content-Type"], answer.read()
                relay.passed.append((self.command, class_of(body), status, text.decode()))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = relayed

            def log_message(self, *_):
                pass

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def messages(self, since):
        """Simple class and error code of each message from number `since` on; no code is a success or still open."""
        return [(name, code_of(text)) for method, name, _, text in self.passed[since:] if method == "POST"]

    def results(self):
        """Method and state of every answer so far."""
        return [(method, json.loads(text).get("state")) for method, _, _, text in self.passed]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def class_of(body):
    """The simple name of the message's class."""
    return next(iter(json.loads(body))).rsplit(".", 1)[-1] if body else None


def code_of(text):
    """The error code inside of an answer."""
    result = json.loads(text).get("result")
    answer = next(iter(json.loads(result).values())) if result else {}
    return answer.get("error", {}).get("code")
