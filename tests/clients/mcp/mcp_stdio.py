"""MCP over a child's standard input and output: JSON-RPC, one message a line."""

import json
import os
import queue
import subprocess
import threading

PROTOCOL = "2025-03-26"
ANSWER_SECONDS = 90


class McpServer:
    """A running MCP server; its environment is ours with `settings` and without proxies."""

    def __init__(self, command, settings, log):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ZSTACK_") and "proxy" not in k.lower()}
        self.log = open(log, "a", encoding="utf-8")
        self.process = subprocess.Popen(command, env=kept | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, encoding="utf-8")
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.last_id = 0
        self.request("initialize", {"protocolVersion": PROTOCOL, "capabilities": {},
                                    "clientInfo": {"name": "test", "version": "1"}})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _read(self):
        for line in self.process.stdout:
            # This server greets people on the same stream; what is no JSON object is not for us.
            if line.startswith("{"):
                try:
                    self.answers.put(json.loads(line))
                except ValueError:
                    continue
        self.answers.put(None)

    def _send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def request(self, method, params):
        """Sends a request; answers its result."""
        self.last_id += 1
        self._send({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params})
        while True:
            answer = self.answers.get(timeout=ANSWER_SECONDS)
            if answer is None:
                raise RuntimeError(f"the MCP server ended; see {self.log.name}")
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def tools(self):
        """The names of the tools."""
        return [tool["name"] for tool in self.request("tools/list", {})["tools"]]

    def tool(self, name, arguments):
        """Calls a tool that answers one JSON object as text."""
        return json.loads(self.request("tools/call", {"name": name, "arguments": arguments})["content"][0]["text"])
