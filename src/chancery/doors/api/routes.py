"""How a route is declared: what it takes and gives, and which refusals its clients have to expect.

Everything that all routes share is added here once: unknown parameters are refused, every operation describes its
problems, and what a listing or a thing with revisions says in headers.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel

from chancery.doors.api.reading import check_address
from chancery.doors.problems import Refusal

View = Callable[..., Any]
_OURS = frozenset({"request", "response"})
ALWAYS = (400, 401, 403, 500, 503)


class Routes(Router):
    """A router whose operations check and describe themselves.

    `files` maps media type → what it is, for answers that are no JSON; `problems` are further statuses; `headers` are
    names of `describe.HEADERS` that the answer carries; `takes` are names of `describe.TAKES`, headers that are read.
    """

    def api_operation(  # type: ignore[override]  # adds arguments to the framework's own
        self,
        methods: list[str],
        path: str,
        *,
        files: Mapping[str, str] | None = None,
        problems: tuple[int, ...] = (),
        headers: tuple[str, ...] = (),
        takes: tuple[str, ...] = (),
        **more: Any,
    ) -> Callable[[View], View]:
        """Return the decorator that adds a view."""

        def decorate(view: View) -> View:
            query, body = _parts(view, path)
            codes = {*ALWAYS, *problems, *([404] if "{" in path else [])}
            codes |= {413, 415, 422} if body else set()
            codes -= {401, 403} if more.get("auth", ...) is None else set()
            extra = {"x-problems": sorted(codes), "x-headers": headers, "x-takes": takes, "x-files": dict(files or {})}
            add = super(Routes, self).api_operation(
                methods, path, operation_id=_operation_id(methods[0], path), openapi_extra=extra, **more
            )
            add(_checked(view, query))
            return view

        return decorate

    def get(self, path: str, **more: Any) -> Callable[[View], View]:  # type: ignore[override]  # as api_operation
        """Add a view that reads."""
        return self.api_operation(["GET"], path, **more)

    def post(self, path: str, **more: Any) -> Callable[[View], View]:  # type: ignore[override]  # as api_operation
        """Add a view that makes or does something."""
        return self.api_operation(["POST"], path, **more)

    def put(self, path: str, **more: Any) -> Callable[[View], View]:  # type: ignore[override]  # as api_operation
        """Add a view that replaces something."""
        return self.api_operation(["PUT"], path, **more)

    def patch(self, path: str, **more: Any) -> Callable[[View], View]:  # type: ignore[override]  # as api_operation
        """Add a view that changes something."""
        return self.api_operation(["PATCH"], path, **more)

    def delete(self, path: str, **more: Any) -> Callable[[View], View]:  # type: ignore[override]  # as api_operation
        """Add a view that removes something."""
        return self.api_operation(["DELETE"], path, **more)


def _parts(view: View, path: str) -> tuple[frozenset[str], bool]:
    """Return the names of the query's parameters, and whether there is a body."""
    hints = get_type_hints(view)
    names = [n for n in inspect.signature(view).parameters if n not in _OURS]
    bodies = {n for n in names if _is_model(hints[n])}
    return frozenset(n for n in names if n not in bodies and f"{{{n}}}" not in path), bool(bodies)


def _is_model(hint: Any) -> bool:
    parts = typing.get_args(hint) or (hint,)
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in parts)


def _operation_id(method: str, path: str) -> str:
    words = [w.strip("{}").replace("-", "_").replace(".", "_") for w in path.split("/") if w]
    return "_".join([method.lower(), *words])


def _checked(view: View, query: frozenset[str]) -> View:
    @functools.wraps(view)
    def run(request: HttpRequest, **values: Any) -> Any:
        check_address(request)
        unknown = sorted(set(request.GET) - query) if request.META.get("QUERY_STRING") else None
        if unknown:
            known = f"Parameters are: {', '.join(sorted(query))}." if query else "This address takes none."
            raise Refusal(400, "unknown_parameter", unknown[0][:60], "There is no such parameter.", known)
        return view(request, **values)

    # The framework would look the annotations up here instead of where the view stands.
    hints, signature = get_type_hints(view, include_extras=True), inspect.signature(view)
    named = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    run.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]  # what inspect reads
    return run


def created(response: HttpResponse, path: str, ident: object) -> None:
    """Say where the new thing is."""
    response.headers["Location"] = f"/api/v1/{path}/{ident}"


def linked(request: HttpRequest, response: HttpResponse, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the pages beside this one as links (RFC 8288), and return the page."""
    links = []
    for relation, cursor in (("next", found["next"]), ("prev", found["previous"]), ("first", "")):
        if cursor or relation == "first":
            query = request.GET.copy()
            query.pop("cursor", None)
            if cursor:
                query["cursor"] = cursor
            address = f"{request.path}?{query.urlencode()}" if query else request.path
            links.append(f'<{address}>; rel="{relation}"')
    response.headers["Link"] = ", ".join(links)
    return found
