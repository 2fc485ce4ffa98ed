"""Joins `given` and `demands` to schemathesis, and counts how each operation was answered."""

import atexit
import collections
import json
import os

import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import demands
import given

PROFILE = os.environ["LONGHAUL_SCHEMATHESIS_PROFILE"]
POLL = "GET /api-jobs/{uuid}"
# A call that takes longer is still worked on; that it ends is other tests' business.
POLLS = 200
WORLD = given.World(os.environ["LONGHAUL_SCHEMATHESIS_BASE"])
COUNTS = collections.defaultdict(collections.Counter)


def name_of(case):
    """The operation; where several share a path, with the action."""
    label = f"{case.method.upper()} {case.operation.path}"
    if case.operation.path.endswith("/actions") and isinstance(case.body, dict):
        action = next(iter(key for key in case.body if key not in ("systemTags", "userTags")), "")
        label += f" {action}"
    return label


@schemathesis.hook
def before_call(context, case, kwargs):
    given.headers(case)
    if case.path_parameters:
        case.path_parameters = given.path_parameters(WORLD, case)
    if isinstance(case.body, dict):
        case.body = given.body(WORLD, case.body)


@schemathesis.hook
def after_call(context, case, response):
    COUNTS[name_of(case)][str(response.status_code)] += 1


@schemathesis.check
def failures_are_those_of_the_contract(context, response, case):
    wrong = demands.failure(PROFILE, response)
    assert wrong is None, wrong


@schemathesis.check
def what_is_accepted_is_answered_at_the_poll(context, response, case):
    if response.status_code != 202 or case.operation.label == POLL:
        return
    last = WORLD.client.polled(response, POLLS)
    if last.status_code == 202:
        COUNTS[name_of(case)]["still worked on"] += 1
        return
    COUNTS[name_of(case)][f"polled {last.status_code}"] += 1
    wrong = demands.failure(PROFILE, last)
    assert wrong is None, f"at the poll: {wrong}"
    poll = case.operation.schema.find_operation_by_label(POLL)
    uuid = response.json()["location"].rsplit("/", 1)[1]
    asked = poll.Case(path_parameters={"uuid": uuid})
    asked.validate_response(
        last, checks=[status_code_conformance, content_type_conformance, response_schema_conformance])


@atexit.register
def write_counts():
    with open(os.environ["LONGHAUL_SCHEMATHESIS_COUNTS"], "w", encoding="utf-8") as file:
        json.dump(COUNTS, file, indent=1, sort_keys=True)
