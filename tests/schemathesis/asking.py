"""Runs schemathesis against a server, and reads what it reports."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree

CHECKS = ["status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "failures_are_those_of_the_contract",
          "what_is_accepted_is_answered_at_the_poll", "rows_are_whole_where_no_fields_were_chosen"]
# Longer lines of schemathesis's output are cut: a request of 64 KiB is told by its beginning.
LINE_MAX = 1000


class Run:
    """One run of schemathesis: each operation of a document is asked of `server`, `out` keeps what it writes."""

    def __init__(self, server, client, hook, out):
        self.server = server
        self.session = client.session
        self.hook = hook
        self.out = out
        self.report = os.path.join(out, "report.xml")
        self.counts_path = os.path.join(out, "counts.json")

    def ask(self, document, operations, *options):
        """Runs it; answers its status."""
        os.makedirs(self.out, exist_ok=True)
        listed = os.path.join(self.out, "operations.json")
        with open(listed, "w", encoding="utf-8") as file:
            json.dump(sorted(operations), file)
        told = {"PROFILE": self.server.profile, "BASE": self.server.base, "SESSION": self.session, "HOOK": self.hook,
                "SCRATCH": self.server.scratch, "OPERATIONS": listed, "COUNTS": self.counts_path}
        environment = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=os.getcwd())
        environment.update({f"LONGHAUL_SCHEMATHESIS_{name}": value for name, value in told.items()})
        process = subprocess.Popen(
            [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", document,
             "--url", self.server.base, "--mode", "all", "--workers", "1",
             "--seed", os.environ.get("LONGHAUL_SCHEMATHESIS_SEED", "1"), "--checks", ",".join(CHECKS),
             "--header", f"Authorization: OAuth {self.session}", "--suppress-health-check", "all",
             "--generation-database", "none", "--no-shrink", "--continue-on-failure", "--warnings", "off",
             "--request-timeout", "60", "--report", "junit", "--report-junit-path", self.report, "--no-color",
             *options],
            env=environment, cwd=self.out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        for line in process.stdout:
            print(line.rstrip("\n")[:LINE_MAX], flush=True)
        return process.wait()

    def verdicts(self):
        """Each operation that was asked, and what is said of its failure; empty for one that passed."""
        found = {}
        for case in xml.etree.ElementTree.parse(self.report).getroot().iter("testcase"):
            bad = [*case.iter("failure"), *case.iter("error")]
            found[case.get("name")] = "".join(f"{part.get('message') or ''}{part.text or ''}\n" for part in bad)
        return found

    def counts(self):
        """How each operation was answered, how often."""
        with open(self.counts_path, encoding="utf-8") as file:
            return json.load(file)
