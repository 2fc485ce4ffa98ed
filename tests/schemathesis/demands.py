"""What is demanded of every answer beside what schemathesis itself demands (a documented status and content type, a
body inside its schema): no SYS.1000, and a 5xx only where the contract has it; the same at the poll of a 202 and in
what a web hook is told; of the whole run, that each operation succeeded at least once and nothing panicked.

Source: rest-api.md 4.2, 4.3, 5.6, 5.7.
"""

import json
import re

# `fast`: not implemented, not ready (and what SDKs read at all), timeout.
FAST_5XX = {501, 503, 504}
# `zstack`: texts with status 500, one for each row of 4.3.
ZSTACK_500 = re.compile(
    r"|No (creational|query|delete) API found for the path\[.*\]"
    r"|the body is not a JSON object: .*"
    r"|Expected .* but was .* at path \$\..*"
    r"|Invalid header\[X-API-Timeout\], \[.*\] is not a number of seconds",
    re.DOTALL)
# SYS.1000 that ZStack answers to a query for what is not there (5.6), word for word.
ZSTACK_INTERNAL = re.compile(
    r"inventory class\[class .*\] not having field\[.*\]"
    r"|invalid nested query condition\[.*\] on class .*,the expanded target\[class .*\] have no expanded query\[.*\]"
    r"|error no viable alternative at input '.*', there is no field to sort by"
    r"|inventory\[\$\{selfInventoryClass\}\] has no field\[.*\]",
    re.DOTALL)
# The operation whose language has a syntax, and SYS.1000 that ZStack answers to a text that breaks it (5.6, 5.7).
ZQL = "GET /zql"
ZQL_INTERNAL = re.compile(r"error .+ at line [1-9]\d*:\d+, .*", re.DOTALL)


def errors_in(content):
    """The error of a body and all of its causes."""
    try:
        error = json.loads(content).get("error")
    except (ValueError, AttributeError):
        return
    while isinstance(error, dict):
        yield error
        error = error.get("cause")


def internal(profile, operation, content):
    """Whether a body tells of an internal error that the contract does not have."""
    for error in errors_in(content):
        details = str(error.get("details", ""))
        by_contract = profile == "zstack" and (
            ZSTACK_INTERNAL.fullmatch(details) or operation == ZQL and ZQL_INTERNAL.fullmatch(details))
        if error.get("code") == "SYS.1000" and not by_contract:
            return True
    return False


def failure(profile, operation, status, content):
    """What is wrong with an answer to an operation (`METHOD /path`); `None` if nothing."""
    text = content.decode("utf-8", "replace")
    if internal(profile, operation, content):
        return f"an internal error: {text[:1000]}"
    if status >= 400 and not all(error.get("details") for error in errors_in(content)):
        return f"an error without details: {text[:1000]}"
    if status < 500:
        return None
    if profile == "fast":
        return None if status in FAST_5XX else f"{status} in fast: {text[:1000]}"
    if status == 500:
        return None if ZSTACK_500.fullmatch(text) else f"500 with no text of the contract: {text[:1000]}"
    if status != 503:
        return f"{status} in zstack: {text[:1000]}"
    return None if any(errors_in(content)) else f"503 without an error: {text[:1000]}"


def panicked(log):
    """Whether something in the server panicked; caught panics are told there too."""
    return "panicked" in log


def operations_of(document):
    """The operations of an OpenAPI document: `METHOD /path`, with the action where a path has several."""
    names = set()
    for path, item in document["paths"].items():
        for method in ("get", "put", "post", "delete"):
            if method in item:
                names.update(f"{method.upper()} {path}{action}" for action in actions_of(document, item[method]))
    return names


def actions_of(document, operation):
    """What follows the path in the names of a documented operation: the wrappers of its body, if it is for actions."""
    if "requestBody" not in operation:
        return [""]
    schema = resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])
    kinds = [resolved(document, kind) for kind in schema.get("oneOf", schema.get("anyOf", [schema]))]
    wrappers = {key for kind in kinds for key in kind.get("properties", {})} - {"systemTags", "userTags"}
    return [""] if wrappers == {"params"} else [f" {wrapper}" for wrapper in sorted(wrappers)]


def resolved(document, schema):
    """A schema behind its references."""
    while "$ref" in schema:
        target = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def row_keys(document, operation):
    """The keys that each row of an operation's answer must have; empty where it answers no rows."""
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    rows = resolved(document, answer).get("properties", {}).get("inventories", {}).get("items", {})
    whole = rows.get("anyOf", [rows])[0]
    return set(resolved(document, whole).get("required", []))


def never_successful(operations, counts):
    """Operations of which no call succeeded: of them, only refusals were looked at."""
    return {name for name in operations if not counts.get(name, {}).keys() & {"200", "polled 200"}}


def allowed(text):
    """The list of what may never succeed: `METHOD /path [action]  # reason`. A line without a reason is refused."""
    names = set()
    for line in text.splitlines():
        name, _, reason = line.partition("#")
        if name.strip():
            if not reason.strip():
                raise ValueError(f"a reason is missing: {line}")
            names.add(name.strip())
    return names
