"""The API's description: what FastAPI derives from the routes, and what it cannot know.

That is the bodies that a route reads itself, because they come in more than one form; the errors, which all have one form;
and the messages that tagger sends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tagger.api import messages, response_models
from tagger.api.messages import SIGNATURE
from tagger.api.problems import MEDIA_TYPE
from tagger.api.request_body import PICTURE_PATHS
from tagger.api.shapes import StatementIn
from tagger.cms.job_body import JobIn, JobPart

REF = "#/components/schemas/{model}"
MODELS: tuple[type[BaseModel], ...] = (
    response_models.Problem, response_models.ReceiptOut, JobIn, JobPart, StatementIn, messages.Hook, messages.AssetDescribed,
    messages.AssetFailed, messages.CallbackAnswer, messages.OperatorMessage,
)  # fmt: skip
ERRORS: Mapping[int, str] = {
    400: "The request is not valid HTTP, for example it states two lengths of its body.",
    401: "The key or the signature is missing or wrong.",
    403: "The key does not allow this request, or belongs to no site.",
    404: "It does not exist, or it belongs to another site.",
    408: "The body did not arrive in time.",
    409: "The present state does not allow this request, or a request with the same Idempotency-Key is running.",
    413: "The body is larger than the limit.",
    422: "The request is not valid; `errors` names each fault.",
    429: "The API holds too many large bodies; wait for `Retry-After` seconds.",
    503: "A part of tagger is not available; wait for `Retry-After` seconds.",
}
WAITS = (429, 503)
CONFLICTS = ("create_job", "put_image", "describe", "entailment", "cancel_job", "add_site")
SITES_OWN = ("create_job", "put_image", "describe", "entailment", "add_site")  # need a site's key, or the operator's
REQUEST_ID = {"X-Request-Id": {"description": "The id of the request in the log.", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


class Api(FastAPI):
    """`profiles`: the names that there are; a home may have more than the product brings."""

    def __init__(self, *, profiles: Collection[str], **about: Any) -> None:
        super().__init__(**about, docs_url=None, redoc_url=None)  # routes/pages.py serves them
        self._profiles = sorted(profiles)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi(), self._profiles)
        return self.openapi_schema


def described(document: dict[str, Any], profiles: Sequence[str]) -> dict[str, Any]:
    _, made = models_json_schema([(model, "validation") for model in MODELS], ref_template=REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(made["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of an error, which no route answers with
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add_errors(path, operation)
            for answer in operation["responses"].values():
                answer.setdefault("headers", {}).update(REQUEST_ID)
    _name_profiles(document, profiles)
    document["webhooks"] = {
        "asset.described": {"post": _webhook("AssetDescribed", "The texts of an asset", "CallbackAnswer")},
        "asset.failed": {"post": _webhook("AssetFailed", "A failed job", None)},
        "operator.event": {"post": _webhook("OperatorMessage", "An operator event", None)},
    }
    return document


def _name_profiles(node: Any, profiles: Sequence[str]) -> None:
    """Wherever a caller may name a profile, say which there are."""
    if isinstance(node, list):
        for inner in node:
            _name_profiles(inner, profiles)
    if not isinstance(node, dict):
        return
    asked = node.get("properties", {}).get("profile") if node.get("additionalProperties") is False else None
    asked = node["schema"] if node.get("in") == "query" and node.get("name") == "profile" else asked
    for option in [] if asked is None else asked.get("anyOf", [asked]):
        if option.get("type") == "string":
            option["enum"] = list(profiles)
    for inner in node.values():
        _name_profiles(inner, profiles)


def _add_errors(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _statuses(path, operation):
        responses.setdefault(str(status), _problem(ERRORS[status], RETRY_AFTER if status in WAITS else {}))
    responses["default"] = _problem("Any other error has this form too.", {})


def _statuses(path: str, operation: dict[str, Any]) -> list[int]:
    name = operation["operationId"].partition("_v1_")[0]
    statuses = [400]
    if not path.startswith("/v1/"):
        return [*statuses, *([503] if path == "/readyz" else [])]
    has_body, named = "requestBody" in operation, {p["name"] for p in operation.get("parameters", ())}
    statuses += [401, 422, 503]
    statuses += [403] if name in SITES_OWN else []
    statuses += [404] if "{" in path or "site" in named else []
    statuses += [409] if name in CONFLICTS else []
    statuses += [408, 413] if has_body else []
    statuses += [429] if has_body and path.startswith(PICTURE_PATHS) else []
    return sorted(statuses)


def _problem(text: str, headers: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"$ref": REF.format(model="Problem")}
    return {"description": text, "headers": dict(headers), "content": {MEDIA_TYPE: {"schema": schema}}}


def _webhook(message: str, summary: str, answer: str | None) -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": REF.format(model=message)}}}
    taken: dict[str, Any] = {"description": "Taken."}
    if answer is not None:
        taken["content"] = {"application/json": {"schema": {"$ref": REF.format(model=answer)}}}
    return {
        "summary": summary,
        "operationId": message,
        "parameters": SIGNATURE,
        "requestBody": {"required": True, "content": body},
        "responses": {"200": taken, "410": {"description": "The endpoint is removed: tagger sends nothing to it any more."}},
    }
