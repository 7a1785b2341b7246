import dataclasses
import pickle

import pytest

from fhenn import errors

REPORT = errors.RangeReport("Sigmoid", (-4.0, 4.0), 2, 9, -5.0, 7.5, 1, "It flips.")

EXAMPLES = [
    (errors.LevelExhausted("forward", 2, 1, "Use more."), "needs 2 levels, the ciphertext has 1"),
    (errors.ContextMismatch("aa", "bb"), "bb"),
    (errors.KeyMissing("secret", "decrypt", "Ask."), "secret key"),
    (errors.ScaleMismatch(2.0**41, 2**40 - 1, "Use 2**40."), "2^41.00"),
    (errors.HeadroomExceeded(11.0, 9.4, "encrypt"), "11 exceeds the headroom of 9.4"),
    (errors.ParameterError("It is bad.", "Do better."), "Do better"),
    (errors.PlanError("None fits.", "Use less."), "Use less"),
    (errors.PartRefused(3, 20, "it ended three workers"), "no answer to part 3, 20 samples: it ended three workers. "),
    (
        errors.IdsMismatch("part 0, ab", "part 0, cd", "Give others."),
        "of another upload: they name part 0, cd",
    ),
    (errors.WorkersEnded(), "ended in the middle of its work"),
    (errors.PoolClosed("LocalPool"), "the LocalPool is closed. Make another"),
    (errors.PoolFailed("No worker starts.", "Look why."), "No worker starts. Look why."),
    (
        errors.ClusterUnreachable("10.0.0.1:6379", "timed out"),
        "no Ray cluster can be entered at 10.0.0.1:6379: timed out. ",
    ),
    (errors.StorageRefused("s3://there", "403"), "s3://there cannot be used: 403. Look at"),
    (
        errors.VersionsDiffer("the node a", "fhenn 1", "fhenn 2"),
        "the node a has fhenn 1, this process has fhenn 2. Install",
    ),
    (
        errors.AccuracyLost(0.25, 0.01, "the report", "Train on."),
        "0.25 of the exact model's quality is lost, and 0.01 is allowed. Train on.",
    ),
    (errors.SharingRefused("It is too loud.", "Share fewer."), "Share fewer"),
    (
        errors.PlanRefused("None fits.", "Use less.", "Sigmoid (node 1)", "range", (errors.Remedy("margin", 1, "a"),)),
        "None fits. Use less.",
    ),
    (
        errors.BoundsExceeded((0,), 0.10000000000000002, 0.0, 0.1),
        "the furthest value is 0.10000000000000002, outside [0, 0.1]",
    ),
    (
        errors.RangeViolation(errors.ViolationReport(tuple(range(9)), 12, {"outputs": tuple(range(9))})),
        "9 of 12 samples have, or may have, values outside an activation's domain: samples 0, 1, 2, 3, 4 and 4 others;",
    ),
    (
        errors.AccuracyUnreached(1e-9, 2e-5, 63, "Narrow it."),
        "1e-09 is not reached: the best polynomial, of degree 63, has an error of 2e-05. Narrow",
    ),
    (
        errors.BoundsExceeded((1, 2), 9.0, -1.0, 1.0),
        "features 1, 2 leave their declared bounds; the furthest value is 9",
    ),
    (errors.UnsupportedValue("str", "numbers"), "str"),
    (
        errors.SparseTooLarge((9_000, 100_000), 671),
        "takes 7.2 GB as an array. Give its rows in parts, at most 671 at once",
    ),
    (errors.UnsupportedOperation("Linear", "Do this."), "Do this"),
    (
        errors.UnsupportedModel("MinMaxScaler", "step 'scale'", "clip=True is not affine", "clip=False"),
        "MinMaxScaler (step 'scale') is not supported: clip=True is not affine. Supported: clip=False.",
    ),
    (errors.FeatureMismatch(("a", "c"), ("a", "b")), "(missing: b; unknown: c)"),
    (
        errors.FeatureMismatch(("age", "BMI"), ("age", "bmi")),
        "(missing: bmi; unknown: BMI). Did you mean 'bmi' where the table has 'BMI'? Select them by name",
    ),
    (
        errors.FeatureMismatch(("age",), ("age", "sex at birth", "pulse"), others=("id", "Sex_at_birth", "puls")),
        "Did you mean 'sex at birth' where the table has 'Sex_at_birth', 'pulse' where the table has 'puls'? Select",
    ),
    (errors.FeatureMismatch((), ("a",), raw=True), "(missing: a). Select them by name, as in X[list(model.preparation"),
    (
        errors.CellRefused("t.csv", "column 'a'", (1,), "line 3", "'x'", "it is no number", "Write one."),
        "t.csv: column 'a' holds 'x' in line 3: it is no number. Write one.",
    ),
    (
        errors.UnknownCategory("predict", "column 'a'", (1,), "row 1", "'x'", "it is unknown", "Drop it.", ("'y'",)),
        "predict: column 'a' holds 'x' in row 1: it is unknown. Drop it.",
    ),
    (
        errors.PreparationMismatch.between("ab", None, "Fetch the plan again."),
        "the preparation is missing, where ab is needed: raw tables would not be prepared as those that the model was "
        "fitted on. Fetch the plan again.",
    ),
    (errors.ShapeMismatch("Linear", (2, 3), "(2, 4)"), "(2, 3)"),
    (errors.NonFiniteValue("encrypt", 3, "Drop them."), "3 values"),
    (
        errors.MissingValues("t.csv", 3, "Drop them.", ("column 'a'", "column 'b'"), (2, 1), ("lines 2, 3", "line 2")),
        "t.csv: values are missing or infinite in column 'a' (2: lines 2, 3), column 'b' (1: line 2). Drop them.",
    ),
    (
        errors.MissingValues("t.csv", 20, "Drop them.", tuple("abcdefghij"), (2,) * 10, ("lines 2, 3",) * 10),
        "in a (2: lines 2, 3), b (2: lines 2, 3), c (2: lines 2, 3), d (2: lines 2, 3), e (2: lines 2, 3) and 5 other "
        "columns. Drop them.",
    ),
    (
        errors.FeatureMismatch(("x",), tuple("abcdefghijklmno")),
        "(missing: a, b, c, d, e and 10 others; unknown: x)",
    ),
    (errors.CacheEmpty("Sigmoid.backward", 1, 0, "Call forward."), "Call forward"),
    (errors.WireFormatError("ciphertexts", "it is short"), "not valid ciphertexts: it is short"),
    (errors.WireFormatError("plan", "it is short"), "not a valid plan: it is short"),
    (
        errors.WrongKind("a plan", "it is a secret key", "s.fhenn", "a secret key", "https://host", "Give one."),
        "s.fhenn is a secret key, where a plan is needed. It has not left this machine; it would have gone to https://",
    ),
    (
        errors.StoreDamaged("store", "its plan is another", "models/cancer", "Delete it."),
        "models/cancer is damaged: its plan is another. Delete it.",
    ),
    (errors.CertificateInvalid("it is for another model.", "Certify this one."), "another model. Certify"),
    (
        errors.UnsupportedNode("a Foo is neither.", "Use Linear nodes.", "Foo"),
        "a Foo is neither. Use Linear nodes.",
    ),
    (errors.SharingRefused("Too many.", "Make new keys."), "Too many. Make new keys."),
    (
        errors.AnswerMismatch("level", "0", "1", "Ask the server again."),
        "its level is 1, expected 0. Ask the server again.",
    ),
    (errors.FileMissing("p.fhenn", "a plan", "Make it."), "no file p.fhenn, which should hold a plan. Make"),
    (
        errors.BudgetUnknown("its file is missing.", "Make new keys."),
        "budget unknown: its file is missing. Make new keys",
    ),
    (errors.FileExists("key.fhenn"), "key.fhenn exists already"),
    (errors.SecretLocked("it needs its passphrase.", "Give it."), "stays locked: it needs"),
    (errors.ExtraMissing("cli", "click"), "the extra cli brings it. Run pip install "),
    (errors.RangeViolation(REPORT), "2 of 9 values outside [-4, 4], smallest -5, largest 7.5, 1 of them NaN"),
    (
        errors.StoreLocked("store/lock", "process 7 on host", "Stop it."),
        "held by process 7 on host. Stop",
    ),
    (
        errors.StoreUnsafe("store", "others can write to it", "Run chmod 700 store."),
        "can write to it. Run chmod",
    ),
    (errors.ServiceRefused("port 80 is taken.", "Choose another."), "Choose another"),
    (errors.ServiceError(422, "malformed", "it is cut. Send it again.", "a1"), "422, malformed: it is cut"),
    (errors.PartTooLarge(413, "too-large", "Send less.", "a1", 3, 20), "part 3 of the stream, 20 samples, is more"),
    (
        errors.AnswerRefused("https://host", "plan", "it is compressed (gzip)", "Ask."),
        "the plan from https://host is refused: it is compressed (gzip). Ask.",
    ),
    (errors.ServiceUnreachable("https://host", 3, "refused"), "in 3 attempts"),
]


def test_every_error_has_an_example():
    concrete = {
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.FhennError)
    } - {errors.FhennError}
    assert concrete == {type(error) for error, _ in EXAMPLES}


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_says_what_and_travels_between_processes(error, text):
    assert text in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("kind", sorted({type(error) for error, _ in EXAMPLES}, key=lambda kind: kind.__name__))
def test_a_strangers_words_do_nothing_to_a_terminal(kind):
    """Whatever field they are in, and whichever error: the base class prints them."""
    assert "__str__" not in vars(kind), "say it in _message: the base class cleans it"
    hostile = "a\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b\u2028\x7f\r\nfhenn: all is well"
    example = next(error for error, _ in EXAMPLES if type(error) is kind)
    fields = {
        name: hostile if isinstance(value, str) else (hostile,) if value and isinstance(value, tuple) else value
        for name, value in vars(example).items()
        if name in kind.__dataclass_fields__ and name not in ("low", "high", "got", "features", "furthest", "samples")
    }
    text = str(dataclasses.replace(example, **fields))
    assert all(each.isprintable() for each in text)


def test_keyword_construction_travels_too():
    error = errors.LevelExhausted(operation="forward", needed=2, left=1, suggestion="Use more.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert copy.needed == 2


@pytest.mark.parametrize(
    ("warning", "text"),
    [
        (
            errors.ApproximationWarning("Tanh", (-9.0, 9.0), 1e-3, 0.02, 63),
            "in [-9, 9], where degree 63 is off by 0.02",
        ),
        (errors.BoundsWarning(2, 9), "2 of 9 samples leave the bounds"),
    ],
)
def test_warnings_say_what_and_travel_too(warning, text):
    assert text in str(warning)
    copy = pickle.loads(pickle.dumps(warning))  # noqa: S301
    assert vars(copy) == vars(warning)
    assert str(copy) == str(warning)


def test_range_warning_is_a_user_warning_with_data():
    warning = errors.RangeWarning(REPORT)
    assert isinstance(warning, UserWarning)
    assert warning.report.largest == 7.5
    assert "It flips." in str(warning)
