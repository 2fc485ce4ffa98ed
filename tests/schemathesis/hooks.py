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
from given import Given
from thin import Thin
from world import World

PROFILE = os.environ["LONGHAUL_SCHEMATHESIS_PROFILE"]
POLL = "GET /api-jobs/{uuid}"
# A call that takes longer is still worked on; that it ends is other tests' business.
POLLS = 200
WORLD = World(os.environ["LONGHAUL_SCHEMATHESIS_BASE"], os.environ["LONGHAUL_SCHEMATHESIS_SCRATCH"])
GIVEN = Given(WORLD, os.environ["LONGHAUL_SCHEMATHESIS_SESSION"], os.environ["LONGHAUL_SCHEMATHESIS_HOOK"])
with open(os.environ["LONGHAUL_SCHEMATHESIS_OPERATIONS"], encoding="utf-8") as FILE:
    OPERATIONS = set(json.load(FILE))
THIN = Thin(int(os.environ.get("LONGHAUL_SCHEMATHESIS_REPEATS", "1")))
COUNTS = collections.defaultdict(collections.Counter)


def operation_of(case):
    """Method and path."""
    return f"{case.method.upper()} {case.operation.path}"


def name_of(case):
    """The operation; with the action where it has several and the body has one of them."""
    label = operation_of(case)
    keys = list(case.body) if isinstance(case.body, dict) else []
    return next((f"{label} {key}" for key in keys if f"{label} {key}" in OPERATIONS), label)


@schemathesis.hook
def before_call(context, case, kwargs):
    GIVEN.change(case, name_of(case))


@schemathesis.hook
def filter_case(context, case):
    return THIN.keeps(case, name_of(case))


@schemathesis.hook
def after_call(context, case, response):
    COUNTS[name_of(case)][str(response.status_code)] += 1


@schemathesis.check
def failures_are_those_of_the_contract(context, response, case):
    wrong = demands.failure(PROFILE, operation_of(case), response.status_code, response.content)
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
    wrong = demands.failure(PROFILE, operation_of(case), last.status_code, last.content)
    assert wrong is None, f"at the poll: {wrong}"
    poll = case.operation.schema.find_operation_by_label(POLL)
    asked = poll.Case(path_parameters={"uuid": response.json()["location"].rsplit("/", 1)[1]})
    asked.validate_response(
        last, checks=[status_code_conformance, content_type_conformance, response_schema_conformance])


@schemathesis.check
def rows_are_whole_where_no_fields_were_chosen(context, response, case):
    if response.status_code != 200 or case.method.upper() != "GET" or "fields" in (case.query or {}):
        return
    keys = demands.row_keys(case.operation.schema.raw_schema, case.operation.definition.raw)
    for row in response.json().get("inventories", []) if keys else []:
        assert keys <= row.keys(), f"without {sorted(keys - row.keys())}: {json.dumps(row)[:1000]}"


@atexit.register
def write_counts():
    with open(os.environ["LONGHAUL_SCHEMATHESIS_COUNTS"], "w", encoding="utf-8") as file:
        json.dump(COUNTS, file, indent=1, sort_keys=True)
