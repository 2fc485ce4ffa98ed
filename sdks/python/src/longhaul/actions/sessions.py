"""The actions of sessions."""

from __future__ import annotations

from typing import Mapping, Optional

from .base import Action, ActionResult
from .views import EmptyValue, SessionValue


class LogInByAccountAction(Action[SessionValue]):
    """Opens a session; its uuid, `value.inventory.uuid`, is the `sessionId` of later actions."""

    Result = ActionResult[SessionValue]
    _method, _path, _wrapper, _value = "PUT", "/accounts/login", "logInByAccount", SessionValue
    _params = ("accountName", "password", "accountType", "captchaUuid", "verifyCode", "clientInfo")
    _authorised = False

    #: Mandatory.
    accountName: Optional[str] = None
    #: SHA-512 of the password, see `sha512_hex`; it is sent as it is. Mandatory.
    password: Optional[str] = None
    accountType: Optional[str] = None
    captchaUuid: Optional[str] = None
    verifyCode: Optional[str] = None
    clientInfo: Optional[Mapping[str, str]] = None


class LogOutAction(Action[EmptyValue]):
    """Ends a session; an unknown one is no error."""

    Result = ActionResult[EmptyValue]
    _method, _path, _value = "DELETE", "/accounts/sessions/{sessionUuid}", EmptyValue
    _params = ("clientInfo",)
    _authorised = False

    #: The session to end. Mandatory.
    sessionUuid: Optional[str] = None
    clientInfo: Optional[Mapping[str, str]] = None
