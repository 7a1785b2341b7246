"""Errors and warnings in the words of the command line: options and columns, where the library speaks of arguments."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import singledispatch

from fhenn.errors import (
    AnswerMismatch,
    BoundsExceeded,
    CellRefused,
    ContextMismatch,
    FeatureMismatch,
    FileExists,
    RangeViolation,
    RangeWarning,
    SamplesWarning,
    ServiceError,
    ShapeMismatch,
    ViolationReport,
    join_first,
)
from fhenn.text import apart, printable

_PHRASES = tuple(
    (re.compile(python), spoken)
    for python, spoken in (
        (r"domain \(([^(),]+), ([^(),]+)\)", r"domain \1 \2"),
        (r"Give \(low, high\) with low < high\.", "Give LOW HIGH with LOW < HIGH."),
        (r"Give \(low, high\)\.", "Give the lower one first."),
        (r" \(finish='sigmoid'\)", ""),
        (r"\(on_violation='mask'\)", "with --on-violation mask"),
        (r'on_violation="mask"', "--on-violation mask"),
        (r"on_violation='mask' leaves", "--on-violation mask leaves"),
        (r"a plan for 'latency' with samples=1", "a plan with --layout latency --samples 1"),
        (r"plan\(…, witness=True\)", "`fhenn plan --witness`"),
        (r"with samples as inputs=", "with --bounds-from"),
        (r"\(witness=False\)", "(--no-witness)"),
        (r"fhenn\.certify proves", "`fhenn certify` proves"),
        (r"plan\(…, queries=…\), or decrypt\(…, share=True, queries=…\)", "--queries"),
        (r"Plan with queries=(\d+),", r"Plan with --queries \1,"),
        (r"memory=\S+, or --memory-mb", "--memory-mb"),
        (r"max_(upload|memory|keys)=(\d+)e6", r"--max-\1-mb \2"),
        (r"\brows=(\d+)", r"--rows \1"),
        (r"spent: keep_budget\(path, spent=…\)", "spent, with --shared-so-far"),
        (r"spent must be at least", "--shared-so-far must be at least"),
        (r"as it is: decrypt\(…, unbound=True\)", "as it is with --unbound"),
        (r"Pass the receipt of its upload, decrypt\([^()]*\([^()]*\)\)", "Give --receipt with that of its upload"),
        (r", with range_check=True\.", ", without --no-range-check."),
        (r"decrypt\(…, range_check=False\), or decrypt --no-range-check", "--no-range-check"),
        (r"say so: client\.keep_budget\([^()]*\), decrypt --shared-so-far", "say so with --shared-so-far"),
        (r"Name it \(Client\.from_secret_bytes\([^()]*\)[^()]*\)", "Put it beside the secret key"),
        (r"Say which: model=…", "Say which: --model NAME."),
        (r"\bverify=…, or --cafile", "--cafile"),
        (r"Hand over Client\.evaluation_keys\(\)", "Give --keys"),
        (r"\bpublic_key=True", "--public-key"),
        (r"public_key must be True or False, not \S+\.", "--public-key takes no value."),
        (r"\bevaluator='?(\w+)'?", r"--evaluator \1"),
        (r"Leave relative= out", "Leave --relative out"),
        (r"with a larger accuracy", "with a larger --accuracy"),
        (r"or give overwrite=True", "or give --overwrite"),
        (r"task='regression'", "--task regression"),
        (r"convert it with fhenn\.from_sklearn", "convert it in Python"),
        (r"models saved by onnx\.save_model\([^()]*\)", "models that hold their weights"),
        (r", as onnx\.load\(path\)", ", loaded in Python"),
        (
            r"onnx\.inliner\.inline_local_functions\(model\) puts them in the place of functions",
            "ONNX's inliner puts them in the place of functions",
        ),
        (r"onnx\.version_converter\.convert_version\([^()]*\) makes it", "ONNX's version converter makes it"),
        (r"Plan with layout='(\w+)'", r"Plan with --layout \1"),
        (r"Count from 0, and maps that run as one as one: .*", "Count from 1, and maps that run as one as one."),
        (r", finish=\w+", ""),
        (r"\bdepth=(\d+)", r"--depth \1"),
        (r" The error's report says where it is lost\.", ""),
        (r"samples as inputs=\.", "samples with --inputs."),
        (r"with classes=\.", "with --classes."),
        (r"or classes= to the importer", "or --classes"),
        (r"fhenn\.from_lightgbm\(…, categories=\[…\]\) with", "--categories with"),
        (r"\bfhenn\.plan\b", "`fhenn plan`"),
    )
)
"""What the library says, and what the command line says in its place."""

_SERVICE = tuple(
    (re.compile(http), spoken)
    for http, spoken in (
        (
            r"Get its plan from GET /v1/models/\S+/plan, and make keys and ciphertexts with it\.",
            "Get its plan with `fhenn fetch`, make keys with `fhenn keygen`, and encrypt again.",
        ),
        (
            r"Get the plan of the current one\.",
            "Get the plan of the current one with `fhenn fetch`, make keys with `fhenn keygen`, and encrypt again.",
        ),
        (
            r"Make keys with the plan of the model, from GET /v1/models/\S+/plan\.",
            "Get the plan of the model with `fhenn fetch`, and make keys with `fhenn keygen`.",
        ),
        (r" GET /v1/(?:models|keys) lists [^.]*\.", ""),
        (r"Send them with PUT /v1/keys/\S+\.", "Run the command again: it sends them."),
        (r"Ask without witness=true\.", "Give --no-range-check."),
        (r"Send fewer samples at once", "Send fewer rows at once, as tables of their own"),
        (r" Fewer rows at a time are no stream: .*", ""),
    )
)
"""What a service says to programs that speak HTTP, and what the command line says in its place."""

_RESHAPE = re.compile(r"give x\.reshape\(len\(x\), (\d+)\)")
_SHAPE = re.compile(r"\((\w+(?:, \w+)*),?\)")


@singledispatch
def words(error: object) -> str:
    """The text of an error, a warning or a report in the words of the command line.

    error: as it was raised or warned.

    Returns a text in which options stand for arguments, and places of samples and columns count from 1.
    """
    text = str(error)
    for python, spoken in _PHRASES:
        text = python.sub(spoken, text)
    return text


@words.register
def _(error: BoundsExceeded) -> str:
    columns = error.names or tuple(f"column {place + 1}" for place in error.features)
    verb = "leaves" if len(columns) == 1 else "leave"
    rows = f" in {join_first(_from_one(error.samples), 'sample')}" if error.samples else ""
    furthest, low, high = apart(error.largest, error.low, error.high)
    raw = ""
    if error.raw is not None:
        column = error.raw.column if isinstance(error.raw.column, str) else f"column {error.raw.column + 1}"
        raw = f": in the table, {printable(column)} {error.raw.said}"
    if error.furthest is not None:
        sample, feature = error.furthest
        column = dict(zip(error.features, columns, strict=False)).get(feature, f"column {feature + 1}")
        furthest = f"{printable(column)} = {furthest} in sample {sample + 1}"
    return (
        f"{join_first(columns)} {verb} the bounds of the plan{rows}; the furthest value is {furthest}, where the plan "
        f"allows {low} to {high}{error.constant}{raw}. Give --clip to take the nearest bound, or plan again with wider "
        "bounds (`fhenn plan --bounds`, or a larger --margin)."
    )


@words.register
def _(error: FileExists) -> str:
    text = words.dispatch(object)(error).removesuffix(".")
    return f"{text}: what was encrypted under the keys of before can then be read by nobody."


@words.register
def _(error: SamplesWarning) -> str:
    columns = error.names or tuple(f"column {place + 1}" for place in error.equal)
    return error.text(join_first(columns)).replace("bounds=", "--bounds")


@words.register
def _(error: ServiceError) -> str:
    text = str(error)
    for http, spoken in _SERVICE:
        text = http.sub(spoken, text)
    return words.dispatch(object)(text)


@words.register
def _(error: FeatureMismatch) -> str:
    mismatch = str(error).rpartition(" Select them")[0]
    return f"{mismatch} Name the table's columns as the model does: `fhenn inspect` on the plan lists them."


@words.register
def _(error: CellRefused) -> str:
    text = str(error)
    if error.suggestion.endswith("with a decimal point.") and error.reason.startswith("it has"):
        text = text.removesuffix(error.suggestion) + "Give --decimal , if it is one, else remove the comma."
    return text


@words.register
def _(error: ShapeMismatch) -> str:
    text = _RESHAPE.sub(r"save them as rows of \1 numbers", str(error))
    return _SHAPE.sub(lambda match: match.group(1).replace(", ", " × "), text).replace("got shape", "got")


@words.register
def _(error: ContextMismatch) -> str:
    return (
        f"this belongs to other keys ({printable(error.got)}) than those given ({printable(error.expected)}). "
        "Use the secret key, the evaluation keys and the ciphertexts of one `fhenn keygen`."
    )


@words.register
def _(error: AnswerMismatch) -> str:
    mismatch = str(error).removesuffix(error.suggestion).strip()
    if error.got != "not named" and error.what in ("upload", "part", "number of samples", "receipt's plan"):
        return (
            f"{mismatch} Give --receipt with the receipt of the upload that it answers, or take that upload's answer."
        )
    return words.dispatch(object)(str(error))


@words.register
def _(report: ViolationReport) -> str:
    text = str(replace(report, samples=_from_one(report.samples), condemned=_from_one(report.condemned)))
    return words.dispatch(object)(text).replace("calibrate the model on", "train a model on")


@words.register
def _(error: RangeViolation) -> str:
    return words(error.report)


@words.register
def _(warning: RangeWarning) -> str:
    return words(warning.report)


def _from_one(places: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(place + 1 for place in places)
