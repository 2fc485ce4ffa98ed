"""What is demanded of every answer beside what schemathesis itself demands (a documented status and content type, a
body inside its schema): no SYS.1000, and a 5xx only where the contract has it; the same at the poll of a 202.

Source: rest-api.md 4.2, 4.3.
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


def errors_of(answer):
    """The error of an answer and all of its causes."""
    try:
        error = json.loads(answer.content).get("error")
    except (ValueError, AttributeError):
        return
    while isinstance(error, dict):
        yield error
        error = error.get("cause")


def failure(profile, answer):
    """What is wrong with an answer; `None` if nothing."""
    status = answer.status_code
    text = answer.content.decode("utf-8", "replace")
    for error in errors_of(answer):
        by_contract = profile == "zstack" and ZSTACK_INTERNAL.fullmatch(error.get("details", ""))
        if error.get("code") == "SYS.1000" and not by_contract:
            return f"an internal error: {text[:1000]}"
        if status >= 400 and not error.get("details"):
            return f"an error without details: {text[:1000]}"
    if status < 500:
        return None
    if profile == "fast":
        return None if status in FAST_5XX else f"{status} in fast: {text[:1000]}"
    if status == 500:
        return None if ZSTACK_500.fullmatch(text) else f"500 with no text of the contract: {text[:1000]}"
    if status != 503:
        return f"{status} in zstack: {text[:1000]}"
    return None if any(errors_of(answer)) else f"503 without an error: {text[:1000]}"
