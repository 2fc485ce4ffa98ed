"""Every code of the API has its exception, and each says what to do."""

from __future__ import annotations

import pytest

from longhaul import ErrorCode, errors

CODES = {
    "SYS.1000": errors.InternalError,
    "SYS.1001": errors.ServerTimeoutError,
    "SYS.1002": errors.InternalError,
    "SYS.1003": errors.NotFoundError,
    "SYS.1004": errors.InternalError,
    "SYS.1005": errors.InternalError,
    "SYS.1006": errors.OperationFailedError,
    "SYS.1007": errors.InvalidArgumentError,
    "SYS.1010": errors.UnavailableError,
    "SYS.1012": errors.UnavailableError,
    "SYS.1014": errors.NotImplementedHereError,
    "SYS.1016": errors.InternalError,
    "SYS.1017": errors.InternalError,
    "ID.1000": errors.LoginFailedError,
    "ID.1001": errors.SessionInvalidError,
    "ID.1002": errors.PermissionDeniedError,
    "ID.1003": errors.QuotaExceededError,
    "ID.1006": errors.TooManySessionsError,
    "LONG_JOB.1000": errors.CallCanceledError,
    "LONG_JOB.1001": errors.NotCancelableNowError,
    "LONG_JOB.1002": errors.JobInterruptedError,
    "LONG_JOB.1003": errors.NotSupportedError,
    "LONG_JOB.1100": errors.ResourceUuidTakenError,
    "TAG.1000": errors.DuplicateTagError,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_every_code_of_the_server_has_its_class_with_advice(code: str, kind: type) -> None:
    error = errors.api_error(ErrorCode(code, "what", "this one"), 503)
    assert type(error) is kind
    assert (error.code, error.details, error.status) == (code, "this one", 503)
    assert str(error) == f"{code}: this one. {error.advice}"
    assert error.advice.endswith(".") and error.advice != errors.ApiError.advice


def test_no_code_belongs_to_two_classes() -> None:
    codes = [code for kind in errors.ApiError.__subclasses__() for code in kind.codes]
    assert len(codes) == len(set(codes)) and set(CODES) <= set(codes)


def test_an_unknown_code_is_an_api_error_all_the_same() -> None:
    assert type(errors.api_error(ErrorCode("HOST.1001"), 503)) is errors.ApiError


def test_an_error_is_read_with_its_causes_up_to_a_limit() -> None:
    wire = {"code": "SYS.1006", "description": "An operation failed", "details": "no", "cause": {"code": "SYS.1016"}}
    error = ErrorCode.from_wire(wire)
    assert error.root == ErrorCode("SYS.1016")
    assert (error.elaboration, error.opaque) == (None, None)
    assert str(error) == "SYS.1006: no (caused by SYS.1016)"
    deep: dict[str, object] = {"code": "SYS.1000"}
    for _ in range(100):
        deep = {"code": "SYS.1006", "cause": deep}
    assert ErrorCode.from_wire(deep).root.code == "SYS.1006", "the chain was cut before its end"


def test_keys_of_an_unexpected_type_are_as_if_absent() -> None:
    error = ErrorCode.from_wire({"code": None, "details": None, "cause": "x", "opaque": [1], "elaboration": 3})
    assert error == ErrorCode("SYS.1000")


def test_all_exceptions_have_one_root() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 25
    assert all(issubclass(kind, errors.LonghaulError) for kind in kinds)
