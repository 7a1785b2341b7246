"""Pages for people: what this is, and the interface, from its own description. No script, nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{white-space:pre-wrap;background:#f4f4f4;padding:1rem}"
    "h3{margin-top:2rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;"
    "vertical-align:top}"
)
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/")
async def start() -> HTMLResponse:
    """What this is."""
    return _page(
        "fhenn",
        "<h1>fhenn</h1><p>Predictions on encrypted samples. The client keeps the secret key; this service gets "
        'evaluation keys and ciphertexts, and answers with ciphertexts.</p><p><a href="/docs">The interface</a>, '
        '<a href="/openapi.json">the same for programs</a>, <a href="/health/ready">whether it is ready</a>.</p>'
        "<p>A client in Python: <code>fhenn.RemoteServer(url, token, evaluation_keys)</code>; on the command line: "
        "<code>fhenn predict --url URL</code>. Its operator hands out tokens.</p>",
    )


@router.get("/docs")
async def documentation(request: Request) -> HTMLResponse:
    """The interface."""
    return _page("fhenn: the interface", _render(request.app.openapi()))


def _page(title: str, body: str) -> HTMLResponse:
    """An HTML page that loads nothing from elsewhere."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"})


def _render(description: dict[str, Any]) -> str:
    """The body of the page for an OpenAPI description."""
    info = description["info"]
    title, text = f"{info['title']} {info['version']}", info["description"].strip()
    parts = [f"<h1>{escape(title)}</h1><pre>{escape(text)}</pre>"]
    for tag in description["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_operation(method, path, operation))
    parts.append("<h2>Documents</h2>")
    for name, schema in description["components"]["schemas"].items():
        parts.append(f"<h3>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>")
        fields = schema.get("properties", {})
        parts.append(
            _table("field", ((field, _type(each), each.get("description", "")) for field, each in fields.items()))
        )
    return "".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    """One operation: what it does, takes and answers."""
    parts = [
        f"<h3><code>{escape(method.upper())} {escape(path)}</code></h3><p><b>{escape(operation['summary'])}.</b> "
        f"{escape(operation['description'])}</p>"
    ]
    parameters = operation.get("parameters", ())
    if parameters:
        rows = (
            (each["name"], f"{each['in']}, {_type(each['schema'])}", each.get("description", "")) for each in parameters
        )
        parts.append(_table("parameter", rows))
    answers = operation["responses"].items()
    parts.append(_table("answer", ((status, _content(each), each["description"]) for status, each in answers)))
    return "".join(parts)


def _table(name: str, rows: Any) -> str:
    """A table in HTML."""
    cells = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr><th>{name}</th><th></th><th></th></tr>{cells}</table>"


def _type(schema: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", ""))


def _content(answer: dict[str, Any]) -> str:
    """The media types of an answer."""
    return ", ".join(answer.get("content", {}))
