"""Where the web hooks of a run lead: takes everything, and keeps what it was told."""

import http.server
import threading


class Receiver:
    """Listens on a free loopback port; `told` has the id and the body of each call."""

    def __init__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers 204."""

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                told.append((self.headers.get("X-Job-UUID"), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                """Nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
