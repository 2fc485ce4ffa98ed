"""Negative controls: what is wrong is noticed. Answers that are made up go through `demands`; a few operations are
asked of the real server with a document that is wrong about them.
"""

import copy
import json
import os

import demands
from asking import Run

REFUSED = json.dumps({"error": {"code": "SYS.1007", "details": "no"}}).encode()


def internal(details, /, **outer):
    """An answer that tells of an internal error."""
    error = {"code": "SYS.1000", "description": "An internal error happened in system", "details": details}
    return json.dumps({"error": {**outer, "cause": error} if outer else error}).encode()


ZQL_TEXT = internal("error expected 'query' or 'count' at line 1:0, ")
FIELD_TEXT = internal("inventory class[class org.zstack.Inventory] not having field[foo]")
# Profile, operation, status, body; whether something is wrong with it.
MADE_UP = [
    ("fast", "GET /zones", 500, internal("boom"), True),
    ("fast", "GET /zones", 200, internal("boom"), True),
    ("fast", "GET /zones", 503, internal("boom", code="SYS.1006", details="outer"), True),
    ("fast", "GET /zql", 400, ZQL_TEXT, True),
    ("fast", "GET /zones", 503, FIELD_TEXT, True),
    ("fast", "GET /zones", 500, REFUSED, True),
    ("fast", "GET /zones", 502, b"", True),
    ("fast", "GET /zones", 400, b'{"error":{"code":"SYS.1007"}}', True),
    ("fast", "GET /zones", 503, REFUSED, False),
    ("fast", "GET /zones", 501, REFUSED, False),
    ("fast", "GET /zones", 400, REFUSED, False),
    ("zstack", "GET /zones", 503, internal("boom"), True),
    ("zstack", "GET /zones", 503, ZQL_TEXT, True),
    ("zstack", "GET /zql", 503, internal("error the store is gone"), True),
    ("zstack", "GET /zql", 503, internal("boom at line 1:2, x"), True),
    ("zstack", "GET /zones", 500, b"java.lang.NullPointerException", True),
    ("zstack", "GET /zones", 501, REFUSED, True),
    ("zstack", "GET /zones", 503, b"", True),
    ("zstack", "GET /zql", 503, ZQL_TEXT, False),
    ("zstack", "GET /zones", 503, FIELD_TEXT, False),
    ("zstack", "GET /zones", 500, b"", False),
    ("zstack", "DELETE /longjobs", 500, b"No delete API found for the path[/zstack/v1/longjobs]", False),
    ("zstack", "GET /zones", 503, REFUSED, False),
]


def made_up(holds):
    """Demands tell made-up answers apart."""
    for number, (profile, operation, status, body, wrong) in enumerate(MADE_UP):
        said = demands.failure(profile, operation, status, body)
        holds(f"made-up answer {number} is {'wrong' if wrong else 'right'}", (said is not None) == wrong, str(said))
    holds("a panic is seen", demands.panicked("thread 'main' panicked at src/main.rs:1:1:\nboom")
          and not demands.panicked("INFO listening"))
    made = {"components": {"schemas": {"Row": {"required": ["uuid"]}, "Part": {}}}}
    items = {"anyOf": [{"$ref": "#/components/schemas/Row"}, {"$ref": "#/components/schemas/Part"}]}
    answer = {"schema": {"properties": {"inventories": {"items": items}}}}
    keys = demands.row_keys(made, {"responses": {"200": {"content": {"application/json": answer}}}})
    holds("a row must have the keys of the whole", keys == {"uuid"}, str(keys))
    counts = {"A /a": {"200": 1}, "A /b": {"202": 1, "polled 200": 1}, "A /c": {"400": 3, "202": 1}}
    never = demands.never_successful({"A /a", "A /b", "A /c", "A /d"}, counts)
    holds("what never succeeded, or was never asked, is seen", never == {"A /c", "A /d"}, str(never))
    try:
        demands.allowed("A /a")
        holds("an exception needs a reason", False)
    except ValueError:
        holds("an exception needs a reason", demands.allowed("# all\nA /a  # why\n") == {"A /a"})


def broken(document):
    """The document of some operations, wrong about all of them but the last; and what is to be said of each."""
    asked = {"GET /zones": "status", "GET /management-nodes/platform-timezone": "schema",
             "GET /job-types": "content", "GET /management-nodes": None}
    wrong = copy.deepcopy(document)
    wrong["paths"] = {path: {"get": wrong["paths"][path]["get"]} for path in (name.split()[1] for name in asked)}
    answers = {name: wrong["paths"][name.split()[1]]["get"]["responses"] for name in asked}
    answers["GET /zones"]["299"] = answers["GET /zones"].pop("200")
    timezone = answers["GET /management-nodes/platform-timezone"]["200"]["content"]["application/json"]
    timezone["schema"] = {"type": "object", "required": ["there is no such key"]}
    types = answers["GET /job-types"]["200"]
    types["content"] = {"text/csv": types["content"].pop("application/json")}
    said = {"status": "Undocumented status code", "schema": "there is no such key",
            "content": "Undocumented Content-Type"}
    return wrong, {name: said.get(kind, "") for name, kind in asked.items()}


def wrong_document(server, client, hook, out, document, holds):
    """A document that is wrong is noticed, and only where it is."""
    wrong, expected = broken(document)
    os.makedirs(out)
    path = os.path.join(out, "broken.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(wrong, file)
    print("the next run must fail:", flush=True)
    run = Run(server, client, hook, out)
    run.ask(path, set(), "--phases", "fuzzing", "--max-examples", "3")
    found = run.verdicts()
    for name, text in expected.items():
        said = found.get(name)
        seen = said is not None and (text in said if text else said == "")
        what = "fails with a document that is wrong about it" if text else "passes beside them"
        holds(f"{name} {what}", seen, repr(said)[:500])
