"""One change at a time that the tests must notice, and which of them do.

A mutant is a file, a text in it that is there once, what to put in its place, and the tests that go red then. A promise
that no test states from outside the code would survive here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A change. name: what no longer holds. tests: what to run, as pytest takes it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutants(file: str, tests: str, *changes: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file that the same tests kill; changes: name, text, and what takes its place."""
    return [Mutant(name, file, old, new, tuple(tests.split())) for name, old, new in changes]


FLOODING = mutants(
    "fhenn/planner/flooding.py",
    "tests/planner/test_flooding.py",
    ("flooding halves 8·√q", "return 8 * sqrt(queries)", "return 4 * sqrt(queries)"),
    ("flooding forgets the queries", "8 * sqrt(queries) * 2", "8 * 2"),
    ("flooding forgets the outputs", " * worst * sqrt(outputs)", " * worst"),
    ("flooding halves the bits", "2 ** (bits / 2)", "2 ** (bits / 4)"),
    ("flooding for 20 bits", "STATISTICAL_BITS = 30", "STATISTICAL_BITS = 20"),
    ("flooding's bound fails at 2^-10", "_FAILURE_BITS = 40", "_FAILURE_BITS = 10"),
    ("flooding takes doubles for exact", "- 45)", "- 53)"),
    ("flooding's bound forgets the outputs", "log(2 * outputs) +", "log(2) +"),
)

FLOOR = mutants(
    "fhenn/planner/floor.py",
    "tests/planner/test_floor.py tests/safety/test_sharing.py",
    ("floor at 40 bits", "SECURITY_BITS = 128", "SECURITY_BITS = 40"),
    ("floor of the average", "for norm in (2, 1))", "for norm in (2, 2))"),
    ("floor bounds at 2^-40", "noise.bound(slots, SECURITY_BITS)", "noise.bound(slots)"),
    ("floor believes any scale", "left = 2.0 ** parameters.chain[0]", "left = 2.0**120"),
    ("floor forgets the rotations", "rounded + _turns(model, schedule, result, norm) + encoded", "rounded + encoded"),
    ("floor forgets the folds", "return 1 if schedule is None else 2 ** len(schedule.folds)", "return 1"),
    (
        "floor forgets the encoding",
        "encoded = Noise(0.0, encoding / model.primes[-1], norm)",
        "encoded = rounded * 0.0",
    ),
    (
        "floor knows any node",
        "return any(names.fullmatch(node) for names in",
        "return node is not None or any(n for n in",
    ),
)

NOISE = mutants(
    "fhenn/ckks/noise.py",
    "tests/ckks/test_noise.py",
    (
        "noise loses the worst case when mixed",
        "if min(self.norm, other.norm) == 1",
        "if max(self.norm, other.norm) == 1",
    ),
    ("noise loses the worst case when scaled", "self.normal * factor, self.norm)", "self.normal * factor)"),
    ("noise bounds at 2^-10", "_FAILURE_BITS = 40", "_FAILURE_BITS = 10"),
    ("noise bounds one value", "exponent = log(2 * values)", "exponent = log(2)"),
    ("noise takes Laplace for normal", "self.laplace * exponent / sqrt(2)", "self.laplace * sqrt(2 * exponent)"),
    ("noise of a narrower width", "SIGMA = 3.2", "SIGMA = 1.6"),
    ("noise rounds one half", "(1 + 2 * self.ring_degree / 3) / 12", "1 / 12"),
    ("noise of a key switch without its spike", "key_error * n / pi * sqrt(pi**2 / 8)", "0.0"),
    ("noise of a key switch at one prime", "self.primes[: level + 1]", "self.primes[:1]"),
)

CERTIFICATE = mutants(
    "fhenn/safety/certificate.py",
    "tests/safety/test_certificate.py",
    ("certificate ignores upper ranges", " and self.high <= self.domain[1]", ""),
    ("certificate ignores lower ranges", "self.domain[0] <= self.low and ", ""),
    (
        "certificate ignores upper bounds",
        "zip((*self.low, *plan.high), (*plan.low, *self.high), strict",
        "zip(self.low, plan.low, strict",
    ),
    (
        "certificate ignores lower bounds",
        "zip((*self.low, *plan.high), (*plan.low, *self.high), strict",
        "zip(plan.high, self.high, strict",
    ),
    ("certificate takes slopes where the twin is", "(low - error - 1e-9, high + error + 1e-9)", "(low, high)"),
    (
        "certificate takes half the slope interval",
        "(low - error - 1e-9, high + error + 1e-9)",
        "(low - error - 1e-9, high)",
    ),
    (
        "certificate takes the slope at the middle",
        "steepest = float(local_maxima(lambda x: np.abs(function.derivative(x)), at)[1].max())",
        "steepest = float(np.abs(function.derivative(np.array([sum(interval) / 2])))[0])",
    ),
    ("certificate ignores the noise on ranges", "reach.widened(by) for", "reach.widened(0.0 * by) for"),
    ("certificate halves the margin of a class", "return 2 * self.total if", "return self.total if"),
    ("certificate forgets the encryption", "return self.approximation + self.noise", "return self.approximation"),
    ("certificate states the deviation", "else plan.error,", "else plan.deviation,"),
    ("certificate fits any parameters", "if self.parameters != plan.parameters:", "if self.parameters is None:"),
    ("certificate fits any model", "if model is not None and fingerprint_of(model) != self.model:", "if False:"),
    ("certificate is valid outside", "        if outside:\n", "        if not outside and outside:\n"),
    ("certificate forgets the data", "from_data=values.ndim == 2 and len(values) > 2", "from_data=False"),
)

SHARING = mutants(
    "fhenn/safety/sharing.py",
    "tests/safety/test_sharing.py",
    ("sharing takes any error that is seen", "if not seen <= worst:", "if seen != seen:"),
    ("sharing takes any scale", "not 1 <= scale <= plan.largest_scale", "not 1 <= scale"),
    ("sharing takes any accuracy", "if not error <= plan.accuracy:", "if error != error:"),
    (
        "sharing believes the plan's worst",
        "max(plan.worst, plan.least_worst(scale), precision(float(np.abs(scores).max(initial=0.0))))",
        "plan.worst",
    ),
    ("sharing forgets the floor", "plan.least_worst(scale), ", ""),
    ("sharing forgets the precision", ", precision(float(np.abs(scores).max(initial=0.0))))", ")"),
    ("sharing takes any plan", "    plan.require_shareable()\n", ""),
    ("sharing on no grid", "sigma / 64", "sigma / 2.0**60"),
    ("sharing draws half the noise", "scores + sigma * _normal", "scores + sigma / 2 * _normal"),
)

BUDGET = mutants(
    "fhenn/safety/budget.py",
    "tests/safety/test_budget.py",
    ("budget may be overdrawn", "if not after <= 1 + _SLACK:", "if not after <= 2 + _SLACK:"),
    ("budget takes any key's file", "if header[1].decode() != self._key:", "if not header[1]:"),
    ("budget takes a copy", "if int(header[2]) != _inode(file) or (", "if ("),
    (
        "budget takes an older state",
        "if told is not None and not total >= told:",
        "if told is not None and not total >= 0:",
    ),
    ("budget of a child process", "if os.getpid() != self._process:", "if os.getpid() < 0:"),
    (
        "budget forgets what the key says",
        "return total, max(self._least - first, 0.0), start + size",
        "return total, 0.0, start + size",
    ),
    ("budget ignores small shares", "after = nextafter(spent, inf)", "after = spent"),
    (
        "budget is not on the disk",
        "            file.flush()\n            os.fsync(file.fileno())\n            # after",
        "            file.flush()\n            # after",
    ),
)

STRUCTURE = mutants(
    "fhenn/ckks/structure.py",
    "tests/ckks/test_structure.py",
    ("structure: any number of lists", "lists <= self.ring_degree", "True"),
    ("structure: any number of parts", "count in (0, len(self.primes) - 1)", "True"),
    ("structure: parts of any size", 'found == size, "a part', 'True, "a part'),
    ("structure: keys of any length", "limit = _LEAST_DENSITY * len(data)", "limit = 10**6 * len(data)"),
    ("structure: secret keys of any count", "count == expected and isfinite(scale)", "isfinite(scale)"),
    ("structure: secret keys of any scale", "count == expected and isfinite(scale)", "count == expected"),
    (
        "structure: secret keys of any array",
        "_array(what, content, (expected,))",
        "_array(what, content, range(1 << 64))",
    ),
    ("structure: any scheme", "scheme == _CKKS", "True"),
    ("structure: any ring", "ring_degree in MAX_MODULUS_BITS, f", "True, f"),
    ("structure: no prime", "1 <= count <= _MOST_PRIMES", "count <= _MOST_PRIMES"),
    ("structure: any number of primes", "1 <= count <= _MOST_PRIMES", "1 <= count"),
    ("structure: any security", "bits <= MAX_MODULUS_BITS[ring_degree]", "True"),
    ("structure: any prime", "all(prime % (2 * ring_degree) == 1 for prime in primes)", "True"),
    (
        "structure: a short header",
        "not isinstance(data, bytes) or len(data) < _HEADER.size",
        "not isinstance(data, bytes)",
    ),
    ("structure: any magic", "magic != _MAGIC or header", "header"),
    ("structure: any header size", "header != _HEADER.size or major", "major"),
    ("structure: any version", " or major != _MAJOR or compression", " or compression"),
    ("structure: any compression", " or compression not in (_PLAIN, _ZSTANDARD)", ""),
    ("structure: any length", "if size != len(data):", "if size < 0:"),
    ("structure: a bomb", "largest_content(what, body) > 4 * limit + (1 << 20)", "largest_content(what, body) < 0"),
    ("structure: bytes after the end", "    content.end()\n", ""),
    ("structure: three polynomials", "size == 2, f", "True, f"),
    ("structure: no NTT form", "ntt == 1 and correction", "correction"),
    ("structure: any correction factor", "correction == 1 and isfinite", "isfinite"),
    ("structure: any scale", "isfinite(scale) and scale > 0, ", "True, "),
    ("structure: an infinite scale", "isfinite(scale) and scale > 0, ", "scale > 0, "),
    ("structure: a scale below 0", "isfinite(scale) and scale > 0, ", "isfinite(scale), "),
    ("structure: another ring", "ring_degree == chain.ring_degree and 1", "1"),
    ("structure: ciphertexts of no prime", "1 <= count <= most", "count <= most"),
    ("structure: more primes than there are", "1 <= count <= most", "1 <= count"),
    ("structure: keys at any level", "primes is None or count == primes", "True"),
    ("structure: a seed of any size", "size == _HEADER.size + _SEED, ", "True, "),
    ("structure: any number of coefficients", "count in counts", "True"),
    ("structure: arrays of any size", "size == _HEADER.size + _COUNT.size + 8 * count", "True"),
    (
        "structure: primes of any size",
        "_inner_header(what, content) == _HEADER.size + _COUNT.size, ",
        "_inner_header(what, content) > 0, ",
    ),
    (
        "structure: any inner object",
        "(magic, header, major, compression) == (_MAGIC, _HEADER.size, _MAJOR, _PLAIN)",
        "True",
    ),
    (
        "structure: inner objects of any magic",
        "(magic, header, major, compression) == (_MAGIC, _HEADER.size, _MAJOR, _PLAIN)",
        "(header, major, compression) == (_HEADER.size, _MAJOR, _PLAIN)",
    ),
    (
        "structure: inner objects of any header",
        "(magic, header, major, compression) == (_MAGIC, _HEADER.size, _MAJOR, _PLAIN)",
        "(magic, major, compression) == (_MAGIC, _MAJOR, _PLAIN)",
    ),
    (
        "structure: inner objects of any version",
        "(magic, header, major, compression) == (_MAGIC, _HEADER.size, _MAJOR, _PLAIN)",
        "(magic, header, compression) == (_MAGIC, _HEADER.size, _PLAIN)",
    ),
    (
        "structure: inner objects compressed",
        "(magic, header, major, compression) == (_MAGIC, _HEADER.size, _MAJOR, _PLAIN)",
        "(magic, header, major) == (_MAGIC, _HEADER.size, _MAJOR)",
    ),
)

INFLATE = mutants(
    "fhenn/ckks/inflate.py",
    "tests/ckks/test_structure.py",
    ("inflate: any magic", "if not frame.startswith(_MAGIC):", "if not frame:"),
    ("inflate: a dictionary", "if dictionary or descriptor >> 3 & 1:", "if descriptor >> 3 & 1:"),
    ("inflate: reserved bits", "if dictionary or descriptor >> 3 & 1:", "if dictionary:"),
    ("inflate: any window", "if exponent + 10 >= _LARGEST_WINDOW_BITS:", "if exponent < 0:"),
    ("inflate: a frame cut in its header", "if len(frame) < at + field:", "if len(frame) < 0:"),
    ("inflate: any kind of block", "if kind == 3 or size > _BLOCK:", "if size > _BLOCK:"),
    ("inflate: blocks of any size", "if kind == 3 or size > _BLOCK:", "if kind == 3:"),
    ("inflate: blocks count as they are packed", "total += _BLOCK if kind == 2 else size", "total += size"),
    ("inflate: bytes after the frame", "if at + 4 * checksum != len(frame):", "if at < 0:"),
    ("inflate: frames that state more than they hold", "if stated > total:", "if stated < 0:"),
    ("inflate: no limit", "if self._left < 0:", "if size < 0:"),
    ("inflate: objects that end early", "            if not piece:\n", "            if not piece and size < 0:\n"),
    ("inflate: bytes left of a plain object", "if self._at < len(self._piece) or (", "if ("),
    ("inflate: a frame that is not at its end", "not decoder.eof or decoder.unused_data", "decoder.unused_data"),
    ("inflate: bytes behind a frame", "(not decoder.eof or decoder.unused_data)", "not decoder.eof"),
)

MESSAGES = mutants(
    "fhenn/ckks/messages.py",
    "tests/backends/seal/test_wire.py tests/backends/seal/test_context.py tests/ckks/test_structure.py",
    ("messages: numbers of any length", "        if shift > 63:\n            raise IndexError\n", ""),
    (
        "messages: fields beyond the end",
        "            if at + size > len(data):\n                raise IndexError\n",
        "",
    ),
    ("messages: a secret key among public ones", "if 3 in parts and not secret:", "if 3 in parts and secret:"),
    ("messages: unknown parts", "    if parts:\n", "    if parts and secret:\n"),
    ("messages: no parameters", "not isinstance(parameters, bytes) or not isinstance(public", "not isinstance(public"),
    ("messages: no public part", " or not isinstance(public, bytes) or", " or"),
    ("messages: a number for a private part", " or not isinstance(private, bytes):", ":"),
    ("messages: keys unchecked", "                _check_key(what, chain, number, value)\n", "                pass\n"),
    ("messages: public keys unchecked", "chain.check_public_key if number == 1", "(lambda *_: None) if number == 1"),
    ("messages: unknown public fields", "elif number not in (2, 3):", "elif number < 0:"),
    (
        "messages: secret keys of any header",
        "            check_header(what, value)\n            if chain and",
        "            if chain and",
    ),
    (
        "messages: secret keys unchecked",
        "                chain.check_secret_key(what, value)\n",
        "                pass\n",
    ),
    ("messages: unknown private fields", "elif number != 2:", "elif number < 0:"),
    ("messages: fields twice", "        if number in found:\n", "        if number < 0:\n"),
    ("messages: keys of any header", "    check_header(what, value)\n    if chain is not", "    if chain is not"),
    (
        "messages: ciphertexts of any header",
        "                check_header(what, value)\n                ciphertexts",
        "                ciphertexts",
    ),
    ("messages: scales of any size", "isinstance(value, bytes) and len(value) == 8", "isinstance(value, bytes)"),
    ("messages: no ciphertexts", "if not ciphertexts or not isfinite(scale)", "if not isfinite(scale)"),
    ("messages: infinite scales", "or not isfinite(scale) or scale <= 0", "or scale <= 0"),
    ("messages: scales below 0", "not isfinite(scale) or scale <= 0:", "not isfinite(scale):"),
)

WIRE = mutants(
    "fhenn/wire.py",
    "tests/backends/seal/test_wire.py tests/artifacts/test_fuzz.py tests/test_strict.py",
    ("wire: any kind", "    require_kind(kind, data)\n    size = len(data) - start", "    size = len(data) - start"),
    ("wire: any length", "if header.size != size:", "if header.size < 0:"),
    ("wire: any digest", "if not compare_digest(digest.encode(), header.sha256.encode()):", "if not digest:"),
    ("wire: a digest without the version", 'sha256(b"" if version == 1 else bytes([version]))', 'sha256(b"")'),
    ("wire: a digest without the meta data", "for piece in (text.encode(), *body):", "for piece in body:"),
    ("wire: any kind where the body is", "    require_kind(kind, begin)\n", ""),
    ("wire: any length where the body is", "if header.size != len(view) - start:", "if header.size < 0:"),
    ("wire: buffers of larger items", 'or view.format not in ("B", "b", "c")', ""),
    ("wire: any version", "if version not in READABLE:", "if version > 99:"),
    ("wire: headers of any size", "if size > _LARGEST_HEADER:", "if size < 0:"),
    ("wire: any types in a header", "!= [str, int, str, str, dict]:", "== []:"),
    ("wire: headers that are written otherwise", "!= data[_PREFIX.size : start]:", "== 0:"),
    ("wire: any start", "if len(data) < _PREFIX.size or not data.startswith(_MAGIC):", "if len(data) < _PREFIX.size:"),
)

SCAN = mutants(
    "fhenn/service/scan.py",
    "tests/service/test_scan.py",
    ("scan: a secret key's field", "            if number == _SECRET:\n", "            if number == -_SECRET:\n"),
    ("scan: a secret key's message", 'if header.kind == "secret-key":', "if header.size < 0:"),
    ("scan: any kind", 'if header.kind != "evaluation-context":', "if header.size < 0:"),
    ("scan: any magic", "if not data.startswith(_MAGIC[: len(data)]):", "if len(data) < 0:"),
    ("scan: headers of any size", "if size > _LARGEST_HEADER:", "if size < 0:"),
    ("scan: any number of rotations", "not 0 <= rotations <= length", "rotations < 0"),
    ("scan: any length", "if _START + size + length != self.size:", "if size < 0:"),
    (
        "scan: numbers of any length",
        "        if shift > 63:\n            raise WireFormatError",
        "        if shift < 0:\n            raise WireFormatError",
    ),
)
MUTANTS: tuple[Mutant, ...] = tuple(
    mutant
    for part in (FLOODING, FLOOR, NOISE, CERTIFICATE, SHARING, BUDGET, STRUCTURE, INFLATE, MESSAGES, WIRE, SCAN)
    for mutant in part
)
