"""Logging in with a password, and logging out."""

from __future__ import annotations

import logging

from aiohttp import web

from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import (
    LOGIN_COOKIE,
    AuthMiddleware,
    drop_session,
    is_gone,
    keep_session,
    redirect,
    safe_redirect_path,
    session_of,
    too_many_tries,
)
from inspector.http.login_throttle import address_key
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations.login_audit import record_login, user_for_log
from inspector.web.sign_in.login_page import MAX_NAME_CHARS, LoginPage

_WRONG = ErrorAnswer(403, "Wrong name or password.")

log = logging.getLogger("hookline.inspector")


def login_routes(context: AppContext, auth: AuthMiddleware, page: LoginPage) -> list[Route]:
    """The routes /login and /logout."""

    async def form(request: web.Request, principal: Principal) -> Answer:
        path = safe_redirect_path(request.query.get("next", "/"))
        if principal.name and principal.how != "proxy":
            return redirect(path)
        return page.show(request, path, signed_in=principal.name)

    async def log_in(request: web.Request, _: Principal) -> Answer:
        form = await request.post()
        name, path = str(form.get("name", "")), safe_redirect_path(str(form.get("next", "/")))
        address = auth.address(request)
        by_name, by_address = f"user:{name[:MAX_NAME_CHARS]}", address_key(address)
        await auth.failed_logins.wait((by_name, by_address), is_gone=lambda: is_gone(request))
        user = auth.accounts.by_password(name, str(form.get("password", "")))
        if user is None:
            existing_user = name if name in auth.accounts else ""
            wait_s = auth.failed_logins.failed("login", (by_name, by_address), address=address, user=existing_user)
            return page.show(request, path, name=name, refusal=too_many_tries(wait_s) if wait_s else _WRONG)
        auth.throttle.passed((by_name,))
        await record_login(context.partitions.control, user, address)
        auth.sessions.end(session_of(request))
        answer = redirect(path)
        keep_session(answer, auth.sessions.begin(user), https=auth.is_https(request))
        answer.del_cookie(LOGIN_COOKIE, path="/login")
        return answer

    async def log_out(request: web.Request, principal: Principal) -> Answer:
        auth.sessions.end(session_of(request))
        answer = redirect("/login?left" if principal.how == "oidc" else "/login")
        drop_session(answer, https=auth.is_https(request))
        user = user_for_log(principal.name)
        log.info("%s logged out", user, extra={"action": "inspector_logout", "user": user})
        return answer

    return [
        Route("GET", "/login", form, "none"),
        Route("POST", "/login", log_in, "none"),
        Route("POST", "/logout", log_out),
    ]
