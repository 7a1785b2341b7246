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


def tests_in(file: str, *names: str) -> str:
    """Tests of one file; names: any number in each."""
    return " ".join(f"{file}::{name}" for name in " ".join(names).split())


def mutants(file: str, tests: str, *changes: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file that the same tests kill; changes: name, text, and what takes its place."""
    return [Mutant(name, file, old, new, tuple(tests.split())) for name, old, new in changes]


IDLE = mutants(
    "fhenn/planner/scaling.py",
    "tests/planner/test_idle.py",
    ("padded outputs hold 0 whatever follows", "            if idle:", "            if False:"),
    ("padded outputs suit the first activation only", "fewest, found = refused, float(idle)", "return usual"),
    ("padded outputs forget what another branch adds", "low / 2 + high / 2 - at", "low / 2 + high / 2"),
)

FLOODING = mutants(
    "fhenn/planner/flooding.py",
    "tests/planner/test_flooding.py",
    ("flooding halves 8·√q", "return 8 * sqrt(queries)", "return 4 * sqrt(queries)"),
    ("flooding forgets the queries", "8 * sqrt(queries) * 2", "8 * 2"),
    ("flooding forgets the outputs", " * worst * sqrt(outputs)", " * worst"),
    ("flooding for 20 bits", "STATISTICAL_BITS = 30", "STATISTICAL_BITS = 20"),
    ("flooding's bound fails at 2^-10", "_FAILURE_BITS = 40", "_FAILURE_BITS = 10"),
    ("flooding takes doubles for exact", "- 45)", "- 53)"),
)

FLOOR = mutants(
    "fhenn/planner/floor.py",
    tests_in(
        "tests/planner/test_floor.py",
        "test_names_that_say_nothing_do_not_crash test_what_a_product_and_a_rescale_must_add",
        "test_errors_of_a_sum_go_one_way_at_worst test_a_sum_by_rotations_adds_its_key_switches_and_folds",
        "test_no_scale_makes_the_floor_vanish test_what_no_plan_names_is_not_known",
    ),
    ("floor at 40 bits", "SECURITY_BITS = 128", "SECURITY_BITS = 40"),
    ("floor of the average", "for norm in (2, 1)\n    )", "for norm in (2, 2)\n    )"),
    ("floor bounds at 2^-40", "noise.bound(slots, SECURITY_BITS)", "noise.bound(slots)"),
    ("floor believes any scale", "left = 2.0 ** parameters.chain[0]", "left = 2.0**120"),
    ("floor forgets the rotations", "rounded + _turns(model, folds, result, norm) + encoded", "rounded + encoded"),
    ("floor forgets the folds", "return 1 if folds is None else 2 ** len(folds)", "return 1"),
    (
        "floor forgets the encoding",
        "encoded = Noise(0.0, encoding / model.primes[-1], norm)",
        "encoded = rounded * 0.0",
    ),
    (
        "floor knows any node",
        "return is_wiring(node) or any(names.fullmatch(node) for names in",
        "return node is not None or any(n for n in",
    ),
)

NOISE = mutants(
    "fhenn/ckks/noise.py",
    tests_in(
        "tests/ckks/test_noise.py",
        "test_what_adds_up_in_the_worst_case_stays_so test_bounds_are_those_of_the_distributions",
        "test_a_key_switch_sums_its_primes_and_has_a_spike test_centred_digits_leave_no_spike",
    ),
    ("noise of centred digits has a spike", "0.0 if self.centred else", "0.0 if self.ring_degree == 0 else"),
    (
        "noise loses the worst case when mixed",
        "if min(self.norm, other.norm) == 1",
        "if max(self.norm, other.norm) == 1",
    ),
    (
        "noise loses the worst case when scaled",
        "self.normal * factor, self.norm, together)",
        "self.normal * factor, 2, together)",
    ),
    ("noise bounds at 2^-10", "_FAILURE_BITS = 40", "_FAILURE_BITS = 10"),
    ("noise takes Laplace for normal", "self.laplace * exponent / sqrt(2)", "self.laplace * sqrt(2 * exponent)"),
    ("noise of a narrower width", "SIGMA = 3.2", "SIGMA = 1.6"),
    ("noise of a key switch without its spike", "key_error * n / pi * sqrt(pi**2 / 8)", "0.0"),
    ("noise of a key switch at one prime", "self.primes[: level + 1]", "self.primes[:1]"),
)

CERTIFICATE = mutants(
    "fhenn/safety/certificate.py",
    tests_in(
        "tests/safety/test_certificate.py",
        "test_inside_is_above_the_lower_edge_and_below_the_upper_one",
        "test_bounds_of_a_certificate_reach_as_far_as_the_plans_on_both_sides test_the_numbers_that_it_states",
        "test_errors_are_carried_on_by_the_slope_where_twin_and_exact_model_reach",
    ),
    (
        "certificate ignores upper ranges",
        "holds(self.domain, self.low, self.high)",
        "holds(self.domain, self.low, self.low)",
    ),
    (
        "certificate ignores lower ranges",
        "holds(self.domain, self.low, self.high)",
        "holds(self.domain, self.high, self.high)",
    ),
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
        "certificate takes the slope at the middle",
        "steepest = float(local_maxima(lambda x: np.abs(function.derivative(x)), grid)[1].max())",
        "steepest = float(np.abs(function.derivative(np.array([sum(interval) / 2])))[0])",
    ),
    ("certificate ignores the noise on ranges", "reach.widened(by) for", "reach.widened(0.0 * by) for"),
    ("certificate halves the margin of a class", "return 2 * self.total if", "return self.total if"),
    ("certificate forgets the encryption", "return self.approximation + self.noise", "return self.approximation"),
    ("certificate states the deviation", "else max(plan.errors),", "else plan.deviation,"),
    ("certificate fits any parameters", "if self.parameters != plan.parameters:", "if self.parameters is None:"),
    ("certificate fits any model", "if model is not None and fingerprint_of(model) != self.model:", "if False:"),
    ("certificate is valid outside", "        if outside:\n", "        if not outside and outside:\n"),
)

SHARING = mutants(
    "fhenn/safety/sharing.py",
    tests_in(
        "tests/safety/test_sharing.py",
        "test_noise_is_as_much_as_the_worst_that_is_let_pass test_an_answer_that_is_not_the_plans_is_not_shared "
        "test_errors_of_samples_that_are_flagged_do_not_count",
    ),
    ("sharing takes any error that is seen", "if not largest <= worst:", "if largest != largest:"),
    ("sharing takes any scale", "not 1 <= scale <= plan.largest_scale", "not 1 <= scale"),
    ("sharing takes any accuracy", "if not error <= plan.accuracy:", "if error != error:"),
    (
        "sharing believes the plan's worst",
        "max(plan.worst, plan.least_worst(scale))",
        "plan.worst",
    ),
    (
        "sharing forgets how far doubles reach",
        "max(worst, precision(float(np.abs(scores).max(initial=0.0))))",
        "worst",
    ),
    (
        "sharing counts errors of flagged samples",
        "np.where(flagged, 0.0, seen)",
        "seen",
    ),
    ("sharing takes any plan", "    plan.require_shareable()\n", ""),
    ("sharing on no grid", "sigma / 64", "sigma / 2.0**60"),
    ("sharing draws half the noise", "scores + sigma * noise", "scores + sigma / 2 * noise"),
)

BUDGET = mutants(
    "fhenn/safety/budget.py",
    "tests/safety/test_budget.py",
    ("budget may be overdrawn", "if not after <= 1 + _SLACK:", "if not after <= 2 + _SLACK:"),
    ("budget takes any key's file", "if header[1].decode() != self._key:", "if not header[1]:"),
    ("budget takes a copy", "if int(header[2]) != _inode(file) or (", "if ("),
    (
        "budget takes an older state",
        "if recorded is not None and not total >= recorded:",
        "if recorded is not None and not total >= 0:",
    ),
    ("budget of a child process", "if os.getpid() != self._process:", "if os.getpid() < 0:"),
    (
        "budget is not on the disk",
        "            file.flush()\n            os.fsync(file.fileno())\n            # after",
        "            file.flush()\n            # after",
    ),
)

BY_HAND = tests_in(
    "tests/ckks/test_structure.py",
    "test_one_thing_that_is_wrong_is_refused test_an_object_whose_header_is_wrong_is_refused",
    "test_keys_are_no_larger_than_random_numbers_are_compressed test_what_is_right_passes",
    "test_a_bomb_does_not_go_off test_no_memory_is_asked_for_what_cannot_come",
)
STRUCTURE = mutants(
    "fhenn/ckks/structure.py",
    BY_HAND,
    ("structure: any number of lists", "lists <= self.ring_degree", "True"),
    ("structure: any number of parts", "count in (0, primes - 1)", "True"),
    ("structure: memory for keys that do not come", "content.expect(count * least)", "content.expect(0)"),
    ("structure: memory for coefficients that do not come", "content.expect(part.size)", "content.expect(0)"),
    ("structure: parts of any size", 'found == size, "a part', 'True, "a part'),
    ("structure: keys of any length", "limit = _LEAST_DENSITY * len(data)", "limit = 10**6 * len(data)"),
    ("structure: secret keys of any count", "count == expected and isfinite(scale)", "isfinite(scale)"),
    ("structure: secret keys of any scale", "count == expected and isfinite(scale)", "count == expected"),
    (
        "structure: secret keys of any array",
        "_array_head(what, content, (expected,))",
        "_array_head(what, content, range(1 << 64))",
    ),
    ("structure: any scheme", "scheme == _CKKS", "True"),
    ("structure: any ring", "ring_degree in MAX_MODULUS_BITS, f", "True, f"),
    ("structure: no prime", "1 <= count <= _MOST_PRIMES", "count <= _MOST_PRIMES"),
    ("structure: any number of primes", "1 <= count <= _MOST_PRIMES", "1 <= count"),
    ("structure: any security", "bits <= MAX_MODULUS_BITS[ring_degree]", "True"),
    ("structure: any prime", "all(prime % (2 * ring_degree) == 1 for prime in primes)", "True"),
    ("structure: a bomb", "largest_content(what, body) > 4 * limit + (1 << 20)", "largest_content(what, body) < 0"),
    ("structure: bytes after the end", "    content.end()\n", ""),
    ("structure: three polynomials", "size == 2, f", "True, f"),
    ("structure: no NTT form", "ntt == 1 and correction", "correction"),
    ("structure: any correction factor", "correction == 1 and isfinite", "isfinite"),
    ("structure: any scale", "isfinite(scale) and scale > 0, ", "True, "),
    ("structure: another ring", "ring_degree == chain.ring_degree and 1", "1"),
    ("structure: ciphertexts of no prime", "1 <= count <= most", "count <= most"),
    ("structure: more primes than there are", "1 <= count <= most", "1 <= count"),
    ("structure: keys at any level", "primes is None or count == primes", "True"),
    ("structure: a seed of any size", "size == HEADER.size + _SEED, ", "True, "),
    ("structure: any number of coefficients", "count in counts", "True"),
    ("structure: arrays of any size", "size == HEADER.size + _COUNT.size + 8 * count", "True"),
    (
        "structure: primes of any size",
        "inner_size(what, content) == HEADER.size + _COUNT.size, ",
        "inner_size(what, content) > 0, ",
    ),
)

PAGE = [
    *mutants(
        "fhenn/service/page.py",
        "tests/service/test_page.py",
        ("page: links that lead out", "entry.is_symlink() and not path", "entry.is_file() and not path"),
        ("page: names that start with a dot", 'if entry.name.startswith("."):', 'if entry.name.startswith(".."):'),
        ("page: files of any kind", "(path.suffix in _TYPES or path == root / SUMS)", "True"),
        ("page: files of any name", "entry.is_file() and _NAME.fullmatch(entry.name)", "entry.is_file()"),
        ("page: any number of bytes", "left < 0 or count", "count"),
        ("page: any number of files", "left < 0 or count > _MOST_FILES", "left < 0"),
        ("page: folders without end", " and depth < _DEEPEST", ""),
        ("page: sources", 'if (folder / "package.json").exists():', 'if (folder / "no.json").exists():'),
        ("page: checksums that are wrong", "if stated not in (None, page.sums):", "if stated == page.sums + ' ':"),
        ("page: anything lasts", "bool(_HASHED.fullmatch(name))", "True"),
    ),
    *mutants(
        "fhenn/service/routes/page.py",
        "tests/service/test_page.py",
        ("page: scripts from anywhere", "script-src 'self' 'wasm-unsafe-eval'", "script-src * 'wasm-unsafe-eval'"),
        ("page: requests to anywhere", "connect-src 'self'", "connect-src *"),
        ("page: frames around it", "frame-ancestors 'none'", "frame-ancestors *"),
        ("page: one tag for two bodies", """f'"{file.sha256}-gzip"'""", """f'"{file.sha256}"'"""),
        ("page: HEAD with a body", 'b"" if request.method == "HEAD" else body', "body"),
    ),
    *mutants(
        "fhenn/service/origins.py",
        "tests/service/test_origins.py",
        (
            "origins: plain http from anywhere",
            '(parts.scheme == "http" and is_loopback(host))',
            'parts.scheme == "http"',
        ),
        ("origins: any host", "host.isascii() and not", "host.isascii() or not"),
        ("origins: with a path", 'rest = parts.path in ("", "/") and', "rest ="),
        ("origins: with a password", "and parts.username is None and", "and"),
    ),
    *mutants(
        "fhenn/service/cors.py",
        "tests/service/test_origins.py",
        ("origins: all of them", "allow_origins=origins", 'allow_origins=["*"]'),
        ("origins: headers are not shown", "expose_headers=_SHOWN", "expose_headers=()"),
    ),
    *mutants(
        "fhenn/service/envelope.py",
        "tests/service/test_page.py",
        ("page: kept by nobody", 'if all(name != b"cache-control" for name, _ in headers):', "if headers:"),
    ),
]

HEADERS = mutants(
    "fhenn/ckks/headers.py",
    BY_HAND + " tests/ckks/test_headers.py",
    (
        "headers: a short one",
        "not isinstance(data, bytes | memoryview) or len(data) < HEADER.size",
        "not isinstance(data, bytes | memoryview)",
    ),
    ("headers: any magic", "magic != _MAGIC or header", "header"),
    ("headers: any size", "header != HEADER.size or compression", "compression"),
    ("headers: any compression", " or compression not in _FORM_OF", ""),
    ("headers: any version", "    _require_version(what, major, minor)\n    if size", "    if size"),
    ("headers: any length", "if size != len(data):", "if size < 0:"),
    (
        "headers: inner objects of any magic",
        '(magic, header, compression) != (_MAGIC, HEADER.size, _FORMS["plain"])',
        '(header, compression) != (HEADER.size, _FORMS["plain"])',
    ),
    (
        "headers: inner objects of any header",
        '(magic, header, compression) != (_MAGIC, HEADER.size, _FORMS["plain"])',
        '(magic, compression) != (_MAGIC, _FORMS["plain"])',
    ),
    (
        "headers: inner objects compressed",
        '(magic, header, compression) != (_MAGIC, HEADER.size, _FORMS["plain"])',
        "(magic, header) != (_MAGIC, HEADER.size)",
    ),
    (
        "headers: inner objects of any version",
        "    _require_version(what, major, minor)\n    if minor",
        "    if minor",
    ),
    ("headers: any major version", "major != _MAJOR or minor not in MINORS", "minor not in MINORS"),
    ("headers: any minor version", "major != _MAJOR or minor not in MINORS", "major != _MAJOR"),
    ("headers: inner ones as they are", "        content.marks.append(start + _MINOR_AT)\n", "        pass\n"),
    ("headers: the outer one as it is", "not places and data[_MINOR_AT] == _OWN_MINOR", "not places"),
)

INFLATE = mutants(
    "fhenn/ckks/inflate.py",
    "tests/ckks/test_inflate.py",
    ("inflate: any magic", "if frame[: len(_MAGIC)] != _MAGIC:", "if not frame:"),
    ("inflate: a dictionary", "if dictionary or descriptor >> 3 & 1:", "if descriptor >> 3 & 1:"),
    ("inflate: reserved bits", "if dictionary or descriptor >> 3 & 1:", "if dictionary:"),
    ("inflate: any window", "if exponent + 10 >= _LARGEST_WINDOW_BITS:", "if exponent < 0:"),
    ("inflate: any kind of block", "if kind == 3 or size > _BLOCK:", "if size > _BLOCK:"),
    ("inflate: blocks of any size", "if kind == 3 or size > _BLOCK:", "if kind == 3:"),
    ("inflate: blocks count as they are packed", "total += _BLOCK if kind == 2 else size", "total += size"),
    ("inflate: bytes after the frame", "if at + 4 * checksum != len(frame):", "if at < 0:"),
    ("inflate: frames that state more than they hold", "if stated > total:", "if stated < 0:"),
    ("inflate: no limit", "if size > self._left:", "if size < 0:"),
    ("inflate: any number of blocks", "if blocks > _FEW_BLOCKS", "if blocks < 0 and _FEW_BLOCKS"),
    ("inflate: zeros of half a number", 'window.lstrip(b"\\0"))) // width', 'window.lstrip(b"\\0"))) // width + 1'),
    ("inflate: zeros that are not passed over", "        self.skip(passed * width)\n", ""),
    (
        "inflate: objects that end early",
        "            if not piece:\n",
        "            if not piece:\n                break\n            if not piece:\n",
    ),
    ("inflate: bytes left of a plain object", "if self._at < len(self._piece) or (", "if ("),
    ("inflate: a frame that is not at its end", "not decoder.eof or decoder.unused_data", "decoder.unused_data"),
    ("inflate: bytes behind a frame", " or decoder.unused_data or", " or"),
    ("inflate: bytes far behind a frame", " or self._source)", ")"),
    (
        "inflate: all at once into the decoder",
        "self._source[:_PIECE], self._source[_PIECE:]",
        "self._source, self._source[:0]",
    ),
)

MESSAGES = mutants(
    "fhenn/ckks/messages.py",
    "tests/ckks/test_messages.py",
    ("messages: a secret key among public ones", "if 3 in parts and not secret:", "if 3 in parts and secret:"),
    ("messages: unknown parts", "    if parts:\n", "    if parts and secret:\n"),
    ("messages: no public part", " or not isinstance(public, bytes) or", " or"),
    ("messages: a number for a private part", " or not isinstance(private, bytes):", ":"),
    ("messages: unknown public fields", "if not 1 <= number <= 5:", "if number < 0:"),
    ("messages: public keys unchecked", "{1: own(chain.check_public_key), 4", "{4"),
    ("messages: switching keys unchecked", ", 4: keys, 5: keys}", "}"),
    ("messages: contexts of any scale", "if not (isfinite(scale) and scale > 0):", "if scale < -9:"),
    (
        "messages: scales of contexts of any size",
        "not isinstance(value, bytes) or len(value) != 8:",
        "not isinstance(value, bytes):",
    ),
    ("messages: no scale is one", "    if scale == _NO_SCALE:\n", "    if scale == 0:\n"),
    (
        "messages: numbers in the place of objects",
        '    if isinstance(value, int):\n        raise WireFormatError(what, "a number',
        '    if value is None:\n        raise WireFormatError(what, "a number',
    ),
    (
        "messages: secret keys unchecked",
        "            chain.check_secret_key(what, _object(what, value))\n",
        "            _object(what, value)\n",
    ),
    ("messages: unknown private fields", "elif number != 2:", "elif number < 0:"),
    ("messages: fields twice", "        if number in found:\n", "        if number < 0:\n"),
    (
        "messages: ciphertexts of any header",
        "                form_of(what, value)\n                ciphertexts",
        "                ciphertexts",
    ),
    ("messages: scales of any size", "isinstance(value, bytes) and len(value) == 8", "isinstance(value, bytes)"),
    ("messages: no ciphertexts", "if not ciphertexts or not isfinite(scale)", "if not isfinite(scale)"),
    ("messages: infinite scales", "or not isfinite(scale) or scale <= 0", "or scale <= 0"),
    ("messages: scales below 0", "not isfinite(scale) or scale <= 0:", "not isfinite(scale):"),
)

PACKING = mutants(
    "fhenn/ckks/packing.py",
    "tests/ckks/test_packing.py",
    ("packing: packed ones are handed to SEAL", '"plain", keys=False)', '"packed", keys=False)'),
    ("packing: ciphertexts for SEAL unchecked", "in_own_version(data, chain.check_ciphertext(what, data))", "data"),
    ("packing: keys for SEAL unchecked", "in_own_version(data, chain.check_switching_keys(what, data))", "data"),
    ("packing: lists without a key left out", "bytes(absent * _COUNT.size) + ", ""),
    ("packing: the bits of the first prime", "primes[place % part.primes]", "primes[0]"),
    (
        "packing: no seeds",
        "        self._written += tail\n",
        "",
    ),
)

BITS = mutants(
    "fhenn/ckks/bits.py",
    "tests/ckks/test_packing.py",
    (
        "bits: nothing in a ninth byte is written",
        "        if shift + bits > 64:\n            beyond = _bytes(room, start + _WORD, len(groups), bits)\n            beyond |=",
        "        if shift + bits > 72:\n            beyond = _bytes(room, start + _WORD, len(groups), bits)\n            beyond |=",
    ),
    ("bits: nothing in a ninth byte is read", "            column |= beyond", "            beyond = beyond"),
    ("bits: neighbours are not masked", "column & mask", "column"),
)

UNPACKING = mutants(
    "fhenn/ckks/inflate.py",
    "tests/ckks/test_packing.py",
    ("inflate: packed residues that end early", "        if len(source) < size:\n", "        if len(source) < 0:\n"),
    ("inflate: any number of packed residues", "        self.expect(8 * count)\n", ""),
)

PACKED_IN_CONTEXTS = mutants(
    "fhenn/ckks/messages.py",
    "tests/ckks/test_packing.py",
    ("messages: packed objects for TenSEAL", 'form_of(what, value) == "packed":', 'form_of(what, value) == "none":'),
)

SPARE = mutants(
    "fhenn/backends/native/spare.py",
    "tests/backends/native/test_spare.py",
    ("spare memory: without limit", "if self._kept + memory.nbytes <= self._most:", "if memory.nbytes:"),
    ("spare memory: lent twice", "memory = self._free[shape].pop()", "memory = self._free[shape][-1]"),
    ("spare memory: nothing comes back", "        self._of._take_back(self._memory)", "        pass"),
)

PROTOBUF = mutants(
    "fhenn/protobuf.py",
    "tests/test_protobuf.py tests/ckks/test_messages.py",
    ("protobuf: numbers of more than 64 bits", "if byte < 0x80 and value < 1 << 64:", "if byte < 0x80:"),
    ("protobuf: numbers of any length", "if byte < 0x80 or length == _LONGEST_VARINT:", "if byte < 0x80:"),
    ("protobuf: fields of no number", "if number == 0 or key", "if key"),
    ("protobuf: fields of any number", "if number == 0 or key[0] >= 1 << 32:", "if number == 0:"),
    ("protobuf: any wire type", "if kind not in (VARINT, BYTES):", "if kind < 0:"),
    ("protobuf: fields beyond the end", "if head is None or head.start + head.size > len(data):", "if head is None:"),
)

WIRE = mutants(
    "fhenn/wire.py",
    "tests/test_wire.py",
    (
        "wire: any kind",
        "        require_kind(kind, data)\n    body = memoryview",
        "        pass\n    body = memoryview",
    ),
    ("wire: any length", "if header.size != len(body):", "if header.size < 0:"),
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
    ("wire: any start", "if not data.startswith(_MAGIC[: len(data)]):", "if data is None:"),
)

SCAN = mutants(
    "fhenn/service/scan.py",
    "tests/service/test_scan.py",
    ("scan: a secret key's field", "if head.number == _SECRET:", "if head.number == -_SECRET:"),
    ("scan: a secret key's message", 'if header.kind == "secret-key":', "if header.size < 0:"),
    ("scan: any kind", 'if header.kind != "evaluation-context":', "if header.size < 0:"),
    ("scan: any length", "if start + length != self.size:", "if start < 0:"),
)

MATCHING = mutants(
    "fhenn/session/matching.py",
    "tests/session/test_matching.py",
    ("answers for any plan", "if binding.plan != plan.fingerprint:", "if not binding.plan:"),
    ("answers of any model", "if plan.model not in (None, binding.model):", "if not binding.model:"),
    ("answers that name nothing", "        if unbound:\n", "        if not unbound or unbound:\n"),
    ("receipts of any plan", "if receipt.plan not in (None, plan.fingerprint):", "if not plan.fingerprint:"),
    (
        "answers to unknown uploads",
        "known = sent.get(binding.upload)",
        "known = sent.get(binding.upload, next(iter(sent.values()), None))",
    ),
    ("answers to any part", "if known.part != binding.part:", "if known.part < 0:"),
    (
        "answers of any number of samples",
        '{"number of samples": (samples, array.shape[0])}',
        '{"number of samples": (None, array.shape[0])}',
    ),
    ("answers of any number of outputs", '"number of outputs": (plan.result.outputs, array.shape[1]),', ""),
    ("answers at any level", '"level": (plan.result.level, array.level),', ""),
    ("answers in any layout", '"layout": (plan.result.layout, array.layout),', ""),
    (
        "answers that are uploads",
        "if (array.level, array.scale) == (plan.parameters.levels, context.scale):",
        "if array.level < 0:",
    ),
    ("answers of any shape", "if len(array.shape) != 2:", "if len(array.shape) < 0:"),
)

RECEIPT = mutants(
    "fhenn/session/receipt.py",
    tests_in(
        "tests/session/test_binding.py",
        "test_a_receipt_counts_its_samples test_a_receipt_names_digests test_a_receipt_is_for_the_part_that_it_names",
        "test_parts_of_one_upload test_uploads_that_are_not_readable",
    ),
    ("receipts of any digest", " or self.parts[part].sha256 != upload:", ":"),
    (
        "receipts of parts in any order",
        "len(named) != 1 or [header.part for header in headers] != list(range(len(headers)))",
        "len(named) != 1",
    ),
    ("receipts with digests of any form", "all(is_digest(part.sha256) and _is_count", "all(_is_count"),
    ("uploads of any part", "if not _is_count(header.part, 0) or not", "if not"),
)

ANSWER = mutants(
    "fhenn/session/answer.py",
    tests_in(
        "tests/session/test_binding.py",
        "test_an_answers_parts_add_up test_ciphertexts_that_say_what_upload_they_are_are_no_answer",
        "test_a_binding_is_of_digests_and_fingerprints",
    ),
    ("bindings of any part", "0 <= binding.part < 1 << 32\n", "binding.part == binding.part\n"),
    ("bindings of any digest", "            and is_digest(binding.upload)\n", ""),
    (
        "answers that are uploads of before",
        'if header.kind == "ciphertexts" and "upload" in meta:',
        'if header.kind == "ciphertexts" and "answer" in meta:',
    ),
    ("answers whose parts do not add up", "if not sizes or sum(sizes) != len(body):", "if not sizes:"),
    (
        "answers of parts of any size",
        "not all(type(size) is int and size > 0 for size in sizes)",
        "not all(type(size) is int for size in sizes)",
    ),
)

CLIENT = mutants(
    "fhenn/session/client.py",
    tests_in(
        "tests/safety/test_sharing.py",
        "test_a_plan_that_states_less_error_than_its_shape_makes_is_refused_everywhere",
        "test_shared_results_keep_the_accuracy_and_carry_the_noise test_a_plan_that_cannot_carry_it_refuses",
    )
    + " tests/session/test_session.py::test_encrypt_refuses"
    + " tests/session/test_secret.py::test_other_messages_and_plans_are_refused",
    (
        "client takes plans of too little error",
        "        plan.require_errors()\n        allowed",
        "        allowed",
    ),
    (
        "restored client takes any parameters",
        "if context.parameters_fingerprint != plan.parameters.fingerprint:",
        "if not plan.parameters.fingerprint:",
    ),
    (
        "client does not count what it shares",
        "            self._budget.take(len(scores), int(noise[0]))\n",
        "            pass\n",
    ),
    (
        "client shares without noise",
        "            if noise is None:\n                scores",
        "            if True or noise is None:\n                scores",
    ),
)

ENCRYPTION = mutants(
    "fhenn/session/encryption.py",
    "tests/session/test_session.py::test_encrypt_refuses "
    + tests_in("tests/safety/test_sharing.py", "test_shared_results_keep_the_accuracy_and_carry_the_noise"),
    ("client encrypts beyond the bounds", "            self.require_bounds(values)\n", "            pass\n"),
    ("client forgets upper bounds", "np.maximum(floor - values, values - ceiling)", "floor - values"),
    ("client shares what no budget is", "0 < count <= most", "count <= most"),
)

STREAM_OF_SAMPLES = mutants(
    "fhenn/session/encryption.py",
    "tests/session/test_stream.py",
    ("streams: go on with other keys", "            if keys != self.fingerprint:", "            if False:"),
    ("streams: go on with what is damaged", 'unframe("ciphertexts", message)  # its digest', "pass"),
    ("streams: places count from each part", "replace(error, samples=places, furthest=furthest)", "error"),
    ("streams: rows that were made before come again", "values[skipped:]", "values"),
)

ENCRYPTOR = mutants(
    "fhenn/session/encryption.py",
    "tests/session/test_encryptor.py",
    ("encryptor: plans that do not count its noise", "if not plan.public_key:", "if False:"),
    (
        "encryptor: keys of any parameters",
        "if context.parameters_fingerprint != plan.parameters.fingerprint:",
        "if False:",
    ),
)

CLIENT_GUARD = mutants(
    "fhenn/session/client.py",
    tests_in(
        "tests/safety/test_witness.py",
        "test_an_answer_without_the_witness_that_was_asked_for_is_refused test_a_violation_is_raised_with_the_samples",
    )
    + " "
    + tests_in(
        "tests/safety/test_overflow.py",
        "test_flagged_samples_are_not_shared_with_a_warning test_what_is_masked_in_shared_results_holds_nothing",
    ),
    (
        "client takes answers without their witnesses",
        "if range_check and self._plan.witnesses and not parts.witnesses:",
        "if not range_check and self._plan.witnesses and not parts.witnesses:",
    ),
    (
        "client takes violations",
        'if report is not None and on_violation == "raise":',
        'if report is not None and on_violation == "":',
    ),
    (
        "client shares flagged samples with a warning",
        "            if noise is not None:\n                raise SharingRefused",
        "            if noise is None and False:\n                raise SharingRefused",
    ),
    ("client shares what it masks", "scores[list(report.samples)] = nan", "pass"),
)

VIOLATIONS = mutants(
    "fhenn/session/violations.py",
    "tests/session/test_violations.py",
    (
        "any number of witnesses is read",
        "if witnesses and len(witnesses) != len(plan.witnesses):",
        "if len(witnesses) < 0:",
    ),
    ("witnesses at any level are read", "if array.level != witness.level or len", "if len"),
    ("witnesses of any samples are read", "if numbers.shape[0] != outputs[0] or (", "if ("),
    ("nobody is condemned", "self.spoilt |= np.isin(self._groups, self._groups[over])", "pass"),
    ("all are condemned", "np.isin(self._groups, self._groups[over])", "over.any()"),
    ("alarms condemn", "self._groups[over])", "self._groups[alarms | over])"),
    ("old witnesses condemn nothing", ", largest_beside(fits(context, array), witness.error))", ")"),
    ("outputs may be any", "over, over)\n    nobody", "over & False, over & False)\n    nobody"),
    ("the plan's outputs are forgotten", "if plan.outputs is not None:", "if False:"),
    ("the certificate's outputs are forgotten", "if certificate is not None:", "if False:"),
)

SERVER = mutants(
    "fhenn/session/server.py",
    tests_in(
        "tests/session/test_session.py",
        "test_what_does_not_belong_together_is_refused test_an_upload_for_another_plan_is_refused",
        "test_a_server_takes_arrays_as_its_plans_client_encrypts_them_alone",
        "test_another_clients_messages_are_refused",
    ),
    ("server takes any plan", "        verify(plan, model)\n", ""),
    ("server takes any keys", "if not plan.fits(context):", "if context is None:"),
    (
        "server takes uploads for any plan",
        "if header.plan not in (None, self._plan.fingerprint):",
        "if not self._plan.fingerprint:",
    ),
    ("server takes arrays of any keys", "        x.require_same_keys(self._context)\n", ""),
    ("server takes any layout", "x.layout != self._plan.layout or ", ""),
    ("server takes any level", " or x.level != self._plan.parameters.levels", ""),
    ("server takes any scale", " or x.scale != self._context.scale:", ":"),
)

SECRET = mutants(
    "fhenn/session/secret.py",
    tests_in(
        "tests/session/test_secret.py",
        "test_a_key_without_a_lock_is_the_one_that_its_header_names",
        "test_what_the_header_says_is_authenticated_and_bounded",
        "test_a_passphrase_costs_whoever_guesses_it",
    ),
    ("a secret key of any name", 'if context.fingerprint != meta.get("fingerprint"):', "if not context.fingerprint:"),
    (
        "a lock of any cost",
        "if type(cost) is not int or not 1 << 14 <= cost <= _LARGEST_COST or cost & (cost - 1):",
        "if type(cost) is not int:",
    ),
    (
        "a lock whose header is not authenticated",
        "return json.dumps([_KIND, meta], sort_keys=True).encode()",
        'return b""',
    ),
    ("a lock of a lower cost", "1 << 17, 8, 1", "1 << 14, 8, 1"),
)

TOKENS = mutants(
    "fhenn/service/tokens.py",
    "tests/service/test_tokens.py",
    ("tokens of any secret", "if token is None or not same:", "if token is None:"),
    (
        "tokens for ever",
        "return now >= datetime.fromisoformat(self.expires)",
        "return now < datetime.fromisoformat(self.created)",
    ),
    ("tokens for any model", "return self.models is None or model in self.models", "return True"),
)

QUOTA = mutants(
    "fhenn/service/quota.py",
    "tests/service/test_quota.py",
    ("quotas may be exceeded by one upload", "if used + samples > most:", "if used > most:"),
    ("quotas count ciphertexts", " * plan.parameters.slots", ""),
    ("quotas count no ciphertexts", "ceil(ciphertexts_in(upload) / plan.ciphertexts_per_sample)", "1"),
    ("quotas of yesterday", "return used if last_day >= day else 0", "return used"),
    (
        "quotas forget",
        "self._write(token, day, used + samples)\n            return day",
        "self._write(token, day, samples)\n            return day",
    ),
    ("quotas that are not readable are none", 'raise OSError(f"the count', 'return -1, 0  # OSError(f"the count'),
)

BODIES = mutants(
    "fhenn/service/bodies.py",
    "tests/service/test_bodies.py",
    (
        "any number of requests of an owner",
        "if self._owners[owner] >= self._limits.per_owner:",
        "if self._owners[owner] < 0:",
    ),
    ("any number of crashes of an owner", "len(crashes) >= self._limits.crashes and", "len(crashes) < 0 and"),
    ("crashes count for all owners", "self._crashes.setdefault(owner, ", 'self._crashes.setdefault("", '),
    ("any number of bytes is held", "if self.held_bytes + len(chunk) > self._limits.held:", "if self.held_bytes < 0:"),
    ("bodies of any length", "    if length > most:\n", "    if length < 0:\n"),
)

BLAME = mutants(
    "fhenn/service/service.py",
    "tests/service/test_service.py",
    (
        "nobody is blamed for a crash",
        "            if death.crashed:\n                self.admission.blame(owner)\n",
        "            if death.crashed:\n",
    ),
    (
        "nobody is blamed for a task that takes too long",
        "        except WorkerLate as error:\n            self.admission.blame(owner)\n",
        "        except WorkerLate as error:\n",
    ),
    ("a crash is tried again", "if death.crashed or death.exit_code == NO_MEMORY:", "if death.exit_code == NO_MEMORY:"),
    ("keys for no model are kept", '        if not answer["fits"]:\n', '        if answer["fits"] is None:\n'),
)

WORK = mutants(
    "fhenn/pool/work.py",
    "tests/pool/test_work.py tests/pool/test_workers.py::test_loaded_keys_are_bounded_in_number_and_size",
    ("any number of ciphertexts", 'if count > task["ciphertexts"]:', "if count < 0:"),
    ("another version of the model", 'if version != task["version"]:', "if not version:"),
    ("answers of any size", 'if size > task["answer"]:', "if size < 0:"),
)

FAIR = mutants(
    "fhenn/pool/fair.py",
    "tests/pool/test_fair.py",
    ("who has keys loaded overtakes for ever", "other.overtaken += waiter.seconds", "pass"),
    ("who is served stays first", "self._owners.move_to_end(waiter.owner)", "pass"),
)

POOL = mutants(
    "fhenn/pool/base.py",
    tests_in(
        "tests/pool/test_local.py",
        "test_parts_are_taken_as_there_is_room_for_them test_closed_it_says_so_and_who_waits_is_told",
    ),
    ("a pool takes all parts at once", "range_check), 2 * self._workers, after)", "range_check), 99, after)"),
    (
        "who waits for a pool that is closed is not told",
        "        except CancelledError as error:\n",
        "        except ZeroDivisionError as error:\n",
    ),
)

RUNNER = mutants(
    "fhenn/pool/runner.py",
    tests_in(
        "tests/pool/test_local.py",
        "test_a_part_whose_worker_is_lost_is_done_again test_closed_it_says_so_and_who_waits_is_told",
        "test_a_part_that_ends_three_workers_is_refused_and_the_others_are_answered",
    ),
    ("a part is given up with its first worker", "DEATHS = 3\n", "DEATHS = 1\n"),
    ("a part may end any number of workers", "DEATHS = 3\n", "DEATHS = 99\n"),
    (
        "a part that is refused ends its stream",
        "                if instead is None:\n",
        "                if instead is not None:\n",
    ),
    ("a pool leaves its folder", "  # where the wait was interrupted\n            self._tidy()\n", "\n"),
)

FAILURES = mutants(
    "fhenn/pool/failures.py",
    "tests/pool/test_local.py::test_errors_are_those_of_a_server",
    (
        "errors of workers are of no type",
        '        error: FhennError = built(kind, answer["fields"])\n',
        '        error: FhennError = built(str, answer["fields"])\n',
    ),
)

LOCAL = mutants(
    "fhenn/pool/local.py",
    tests_in(
        "tests/pool/test_local.py",
        "test_no_secret_key_reaches_a_file test_closed_it_says_so_and_who_waits_is_told",
    ),
    ("secret keys reach a file", "    EvaluationMessage.decode(keys)  # no secret key is written anywhere\n", ""),
    ("a closed pool computes on", "        if self._closing:\n            raise CancelledError\n", ""),
)

SPOOL = mutants(
    "fhenn/pool/spool.py",
    "tests/pool/test_spool.py::test_answers_are_bounded_counted_and_on_the_disk_beyond_a_size",
    (
        "answers stay in memory",
        "if self._file is None and self.size <= self._spools.in_memory:",
        "if self._file is None:",
    ),
)

KEYS = mutants(
    "fhenn/service/key_store.py",
    tests_in(
        "tests/service/test_store.py",
        "test_the_least_recently_used_go_and_only_the_owners test_an_owners_keys_are_bounded_in_bytes_too",
        "test_keys_in_use_stay_however_many_they_are test_an_upload_does_not_follow_a_link",
    ),
    ("any number of keys of an owner", "(count > self._most or size > self._size)", "(size > self._size)"),
    ("keys of an owner of any size", "(count > self._most or size > self._size)", "(count > self._most)"),
    ("keys that are in use go", "and keys.digest not in held:", "and keys.digest != newest:"),
    ("uploads follow a link", ' | getattr(os, "O_NOFOLLOW", 0)', ""),
)

UPLOADS = mutants(
    "fhenn/service/uploads.py",
    tests_in(
        "tests/service/test_uploads.py",
        "test_a_secret_key_is_seen_as_it_arrives_and_nothing_of_it_is_kept",
        "test_keys_are_on_the_disk_and_checked_before_they_have_their_name test_keys_that_do_not_pass_are_not_kept",
        "test_other_bytes_under_a_stored_digest_are_refused",
        "test_keys_of_another_digest_than_the_address_names_are_not_kept",
    ),
    (
        "uploads of any digest",
        "            if scanner.hexdigest != digest:\n",
        "            if scanner.hexdigest is None:\n",
    ),
    (
        "keys are not looked at as they arrive",
        "                scanner.feed(chunk)\n",
        "                scanner._seen += len(chunk)\n                scanner._digest.update(chunk)\n",
    ),
    ("keys are kept unchecked", "                    await self._check(owner, self._keys.part(owner, digest))\n", ""),
    (
        "keys are kept before they are on the disk",
        "                    await self._disk(os.fsync, turn.descriptor)\n",
        "",
    ),
    (
        "other bytes under a stored digest",
        "if (count, size, hasher.hexdigest()) != (stored, stored, digest):",
        "if count < 0:",
    ),
)

FILES = mutants(
    "fhenn/artifacts/files.py",
    "tests/artifacts/test_files.py",
    (
        "folders are written where they are",
        '    staged = hidden(path, ".part")\n    try:\n        staged.mkdir(0o700)',
        "    staged = path\n    try:\n        staged.mkdir(0o700)",
    ),
    (
        "files are written where they are",
        '    temporary = hidden(path, ".part")\n',
        "    temporary = path.with_name(path.name)\n    path.unlink(missing_ok=True)\n",
    ),
    (
        "files are named before they are on the disk",
        "        os.fsync(descriptor)\n    finally:\n        os.close(descriptor)\n\n\ndef _empty",
        "    finally:\n        os.close(descriptor)\n\n\ndef _empty",
    ),
    ("private files that others may read", "_PRIVATE if private else _PUBLIC", "_PUBLIC"),
    (
        "private files are replaced",
        "overwrite = not private if overwrite is None else overwrite",
        "overwrite = True if overwrite is None else overwrite",
    ),
    (
        "files of another kind are replaced",
        "if header and old != new and not {old, new} <= _OF_SERVERS:",
        "if there is None:",
    ),
)

_ANYONE = (
    '__import__("fastapi").Depends(lambda: __import__("types").SimpleNamespace(owner="all", reaches=lambda name: True))'
)
ROUTES = [
    *mutants(
        "fhenn/service/routes/models.py",
        "tests/service/test_routes.py",
        (
            "the plan's file without a token",
            "async def plan_file(service: ServiceHere, holder: Holder, ",
            f"async def plan_file(service: ServiceHere, *, holder: object = {_ANYONE}, ",
        ),
        (
            "the plan without a token",
            "async def show_model(service: ServiceHere, holder: Holder, ",
            f"async def show_model(service: ServiceHere, *, holder: object = {_ANYONE}, ",
        ),
        ("the models of all tokens", " if holder.reaches(model.name)", ""),
    ),
    *mutants(
        "fhenn/service/routes/keys.py",
        "tests/service/test_routes.py",
        (
            "keys are deleted without a token",
            "async def delete_keys(service: ServiceHere, holder: Holder, ",
            f"async def delete_keys(service: ServiceHere, *, holder: object = {_ANYONE}, ",
        ),
    ),
    *mutants(
        "fhenn/service/routes/dependencies.py",
        "tests/service/test_routes.py",
        ("any token", "    if found is None:\n", "    if found is None and service is None:\n"),
        (
            "routes without a token",
            "    if credentials is None:\n",
            "    if credentials is None and request is None:\n",
        ),
    ),
    *mutants(
        "fhenn/service/service.py",
        "tests/service/test_routes.py",
        ("any token for any model", " if holder.reaches(name) else None", ""),
    ),
]

GUARD = mutants(
    "fhenn/nn/guard.py",
    "tests/nn/test_guard.py",
    ("guard forgets the lower edge", "if smallest >= low and largest <= high:", "if largest <= high:"),
    ("guard forgets the upper edge", "if smallest >= low and largest <= high:", "if smallest >= low:"),
    (
        "guard forgets what is no number",
        "smallest, largest = values.min(), values.max()",
        "smallest, largest = np.fmin.reduce(values, None), np.fmax.reduce(values, None)",
    ),
    ("guard does not raise", '        if self.policy == "raise":\n', '        if self.policy == "":\n'),
)

OUTPUTS = mutants(
    "fhenn/safety/outputs.py",
    "tests/safety/test_outputs.py",
    ("outputs of any size below", "(values >= allowed[0] - error) & ", ""),
    ("outputs of any size above", " & (values <= allowed[1] + error)", ""),
    (
        "outputs that are no numbers",
        "np.any(~((values >= allowed[0] - error) & (values <= allowed[1] + error)), axis=1)",
        "np.any((values < allowed[0] - error) | (values > allowed[1] + error), axis=1)",
    ),
)

WITNESS = mutants(
    "fhenn/planner/witness.py",
    tests_in(
        "tests/planner/test_witness.py",
        "test_its_own_inputs_are_its_business_alone test_fields_that_cannot_be_are_refused_one_by_one",
        "test_a_number_beyond_the_limit_or_below_the_least_condemns_and_an_alarm_alone_does_not",
        "test_the_least_number_is_below_what_any_inputs_give_and_near_it",
        "test_plans_of_before_chances_are_read_and_keep_their_fingerprint",
    ),
    (
        "witness forgets what is no number",
        "np.any(~((values >= self.least) & (values <= self.threshold)), axis=1)",
        "np.any((values < self.least) | (values > self.threshold), axis=1)",
    ),
    (
        "witness forgets the least number",
        "np.any(~((values >= self.least) & (values <= self.threshold)), axis=1)",
        "np.any(~(values <= self.threshold), axis=1)",
    ),
    (
        "witness condemns nothing above",
        "np.any(~((values >= self.least) & (values <= limit)), axis=1)",
        "np.any(~(values >= self.least), axis=1)",
    ),
    (
        "witness condemns nothing below",
        "np.any(~((values >= self.least) & (values <= limit)), axis=1)",
        "np.any(~(values <= limit), axis=1)",
    ),
    (
        "witness: any least",
        "self.spare - (0 if self.degree == 2 else self.neurons) - self.error",
        "self.spare - self.error",
    ),
    ("witness writes its defaults", "if name not in _DEFAULTS or value != _DEFAULTS[name]", "if True"),
    ("witness: any chance", "            and 0 < self.chance <= 1\n", ""),
    ("witness: any limit", "self.threshold <= self.limit < inf", "True"),
    ("witness: counts of any kind", "all(type(count) is int and count >= 0 for count in counts)", "True"),
    (
        "witness: numbers of any kind",
        "and all(type(number) in (float, int) and isfinite(number) for number in numbers)",
        "",
    ),
    ("witness: any domain", "            and self.domain[0] < self.domain[1]\n", ""),
    ("witness: any degree", "            and self.degree in DEGREES\n", ""),
    ("witness: of no neuron", "            and self.neurons > 0\n", ""),
    ("witness: any level", "            and 0 <= self.level <= self.start <= levels\n", ""),
    ("witness: any inner edge", "            and 0 < self.inner <= 1\n", ""),
)

DEMANDS = mutants(
    "fhenn/planner/demands.py",
    tests_in(
        "tests/planner/test_demands.py",
        "test_absurd_plans_are_refused_before_anything_is_made test_what_is_slow_to_parse_is_not_parsed",
        "test_a_message_larger_than_any_plan_is_not_parsed test_the_memory_of_keys_is_bounded_before_they_are_made",
        "test_the_memory_of_an_upload_is_bounded_before_it_is_made",
    ),
    ("plans of any length", "if len(text) > LARGEST_PLAN:", "if len(text) < 0:"),
    ("plans of any number of features", "if plan.features > _MOST_FEATURES:", "if plan.features < 0:"),
    ("plans of any number of nodes", "if nodes > _MOST_NODES:", "if nodes < 0:"),
    ("plans of any names", "if any(len(name) > _LONGEST_NAME for name in names):", "if not names:"),
    ("plans of any rotations", "if not whole or len(set", "if len(set"),
    (
        "plans from elsewhere of any memory",
        "return (inf if plan.own else MEMORY) if memory is None else memory",
        "return inf if memory is None else memory",
    ),
)

PLAN = mutants(
    "fhenn/planner/plan.py",
    tests_in(
        "tests/planner/test_plan.py",
        "test_a_field_that_cannot_be_is_refused test_a_result_that_cannot_be_is_refused",
        "test_a_witness_that_cannot_be_is_refused test_less_error_than_any_model_makes_is_refused",
        "test_keys_fit_by_their_parameters_and_rotations test_the_public_one_says_nothing_of_the_weights",
    )
    + " tests/safety/test_sharing.py::test_a_plan_that_does_not_say_what_its_answers_are_shares_nothing",
    ("plan: numbers that are none", "            all(map(isfinite, numbers))\n            and ", "            "),
    ("plan: any queries", "            and 0 <= self.queries <= MOST_QUERIES\n", ""),
    ("plan: errors below 0", "            and min(self.error, self.deviation, self.approximation) >= 0\n", ""),
    ("plan: any witness", "            witness.require_sane(self.parameters.levels)\n", "            pass\n"),
    ("plan: too little error", "if not (least_error <= self.error and least_worst", "if not (least_worst"),
    ("plan: too little at worst", " and least_worst <= self.worst and", " and"),
    ("plan: results of unknown shape are shared", "if self.result is None or strange or", "if strange or"),
    (
        "plan: results of unknown nodes are shared",
        "if self.result is None or strange or len",
        "if self.result is None or len",
    ),
    ("plan: keys of any parameters", "return alike and rotates and", "return rotates and"),
    ("plan: keys without rotations", "return alike and rotates and", "return alike and"),
    (
        "plan: keys without relinearisation",
        " and rotates and context.can_relinearise(self.relinearisation_level)",
        " and rotates",
    ),
    (
        "plan: keys of before levels are for the first one",
        "self.rotation_levels or (self.parameters.levels,) * len",
        "self.rotation_levels or (0,) * len",
    ),
    ("plan: the public one has stages", "plan = replace(self, stages=())", "plan = replace(self)"),
)

LAYOUT = mutants(
    "fhenn/ckks/layout.py",
    "tests/ckks/test_layout.py",
    (
        "the first copy in the place of the mean",
        "return (np.add.reduceat(values[:, by_feature], starts, axis=1) / copies)[:samples]",
        "return values[:, by_feature][:, starts][:samples]",
    ),
    (
        "layouts that are no powers of two",
        "all(size > 0 and size & (size - 1) == 0 for size in sizes)",
        "all(size > 0 for size in sizes)",
    ),
    (
        "layouts that hold some features",
        "return len(np.unique(self._within(slots))) >= min(width, self.period)",
        "return True",
    ),
    (
        "layouts of any memory",
        "if not all(0 < count <= _MOST for count in counts):",
        "if not all(0 < count for count in counts):",
    ),
)

ARRAY = mutants(
    "fhenn/ckks/array.py",
    tests_in(
        "tests/backends/seal/test_wire.py",
        "test_a_header_that_lies_is_refused_though_its_digest_matches test_another_clients_message_is_refused",
    )
    + " tests/ckks/test_structure.py::test_a_layout_that_has_no_place_for_a_feature_is_refused"
    + " tests/backends/seal/test_array.py::test_encrypt_refuses",
    (
        "arrays of any keys",
        'if meta.get("fingerprint") != require_context(context).fingerprint:',
        "if require_context(context) is None:",
    ),
    (
        "arrays of any number of ciphertexts",
        "if len(bodies) != layout.ciphertexts(shape, context.slots):",
        "if not bodies:",
    ),
    (
        "arrays of any layout",
        "width <= layout.tiles * context.slots and layout.holds(width, context.slots)",
        "if layout is None:",
    ),
    ("arrays of any sizes", "            and all(type(size) is int and 0 < size < 1 << 32 for size in shape)\n", ""),
    ("arrays encrypted beyond the headroom", "    if largest > limit:\n", "    if largest < 0:\n"),
)

SEARCH = mutants(
    "fhenn/planner/verification.py",
    "tests/planner/test_verify.py",
    ("verify takes 100 times the accuracy", "now.bound <= plan_.accuracy", "now.bound <= 100 * plan_.accuracy"),
    ("verify takes any headroom", "now.bound <= plan_.accuracy and now.holds", "now.bound <= plan_.accuracy"),
    ("verify takes any nodes", "    if found != plan_.signature:", "    if not found:"),
    (
        "verify takes any weights",
        "plan_.model is not None and plan_.model != fingerprint_of(model)",
        'plan_.model == ""',
    ),
    ("verify takes any result", "plan_.result is not None and plan_.result != result_of(now)", "plan_.accuracy < 0"),
)

WORST = mutants(
    "fhenn/planner/trial.py",
    "tests/planner/test_flooding.py::test_the_worst_case_is_no_average",
    (
        "the worst case is the average",
        "norm=1, evaluator=self.evaluator)",
        "norm=2, evaluator=self.evaluator)",
    ),
    (
        "the worst case fails at 2^-40",
        "together.noise.bound(together.end.values, SECURITY_BITS)",
        "together.noise.bound(together.end.values)",
    ),
)

VERIFIED_WITNESSES = [
    *mutants(
        "fhenn/planner/verification.py",
        "tests/planner/test_witness.py::test_a_witness_that_says_something_else_is_found",
        (
            "verify takes any witnesses",
            "    if plan_.witnesses:\n        require_witnesses",
            "    if not plan_.witnesses:\n        require_witnesses",
        ),
    ),
    *mutants(
        "fhenn/planner/witness_choice.py",
        tests_in(
            "tests/planner/test_witness.py",
            "test_witnesses_of_other_places_are_found test_a_witness_that_says_something_else_is_found",
            "test_a_witness_that_states_less_error_than_it_has_is_found",
            "test_weights_that_pass_the_headroom_of_a_witness_are_found",
            "test_a_headroom_is_held_to_what_may_come_now_whatever_is_stated",
            "test_an_input_that_makes_the_outputs_wrap_brings_the_number_beyond_the_limit",
        ),
        (
            "witnesses do not speak for outputs that wrap",
            "min(far * (1 - _LARGEST_SHARE) + beside - error, largest_beside(fits, error))",
            "largest_beside(fits, error)",
        ),
        ("witnesses of any error", "        and new.error <= old.error * (1 + 1e-9)\n", ""),
        ("witnesses of any threshold", "        and isclose(*middles, rel_tol=1e-9)\n", ""),
        ("witnesses of any chance", "        and new.chance <= old.chance * (1 + 1e-9)\n", ""),
        ("witnesses of any limit", "old.limit <= new.limit + 1e-9 * abs(new.limit)", "True"),
        (
            "witnesses of any headroom as stated",
            "min(witness.headroom, now.headroom) < each.reach",
            "now.headroom < each.reach",
        ),
        (
            "witnesses of any headroom as it is",
            "min(witness.headroom, now.headroom) < each.reach",
            "witness.headroom < each.reach",
        ),
    ),
]

LOAD = mutants(
    "fhenn/backends/seal/context.py",
    tests_in(
        "tests/backends/seal/test_wire.py",
        "test_a_header_that_lies_is_refused_though_its_digest_matches test_a_ciphertext_of_three_parts_is_refused",
    ),
    (
        "ciphertexts at any level",
        "(ciphertext.parms_id(), ciphertext.scale, ciphertext.size()) != (self.parms_id(level), scale, 2)",
        "(ciphertext.scale, ciphertext.size()) != (scale, 2)",
    ),
    (
        "ciphertexts at any scale",
        "(ciphertext.parms_id(), ciphertext.scale, ciphertext.size()) != (self.parms_id(level), scale, 2)",
        "(ciphertext.parms_id(), ciphertext.size()) != (self.parms_id(level), 2)",
    ),
)

TRACE = mutants(
    "fhenn/ckks/trace.py",
    "tests/ckks/test_trace.py",
    (
        "trace: products of independent errors",
        "(x.noise * y.largest).with_error_of(y.noise * x.largest)",
        "x.noise * y.largest + y.noise * x.largest",
    ),
    (
        "trace: relinearisation adds nothing",
        "noise=x.noise + (self._noise.key_switch(x.level) * (1 / x.scale)).alike(*x.alike)",
        "noise=x.noise",
    ),
    (
        "trace: a rescale adds nothing",
        "noise = x.noise + Noise(self._noise.rounding / below.scale, 0.0).alike(*x.alike)",
        "noise = x.noise",
    ),
    ("trace: plaintexts add nothing", "factors.largest + Noise(0.0, encoding, self._norm)", "factors.largest"),
    ("trace: fresh ciphertexts have no noise", "made.normal / scale, self._norm)", "0.0, self._norm)"),
    (
        "trace: fresh noise is an average",
        "Noise(made.laplace / scale, made.normal / scale, self._norm)",
        "Noise(made.laplace / scale, made.normal / scale)",
    ),
    (
        "trace: any room",
        "return min(x.room, self.modulus(x.level) / 2 / x.scale / largest if largest else inf)",
        "return x.room",
    ),
    ("trace: decoding is exact", "self._noise.transform * x.largest, self._norm))", "0.0, self._norm))"),
    (
        "trace: slots are encoded exactly",
        "return self._noise.transform * float(np.abs(values).max())",
        "return 0.0",
    ),
    ("trace: numbers are encoded exactly", "return self._noise.roundoff * abs(float(values))", "return 0.0"),
    ("trace: weights are encoded exactly", "encoding += model.transform *", "encoding += 0.0 *"),
    ("trace: twins of maps are exact", "* affine.sums_of_magnitudes(x.bounds)", "* 0.0"),
    ("trace: twins of polynomials are exact", "(polynomial.degree + 2) * self._noise.roundoff", "0.0"),
    ("trace: maps scale no noise", "x.noise.through(gains.row, gains.spectral) + rounded", "x.noise + rounded"),
    (
        "trace: a bias of any size",
        "result, affine.largest_constant)",
        "result, 0.0)",
    ),
)

FILLED = mutants(
    "fhenn/session/encryption.py",
    "tests/ranges/test_data.py::test_places_without_a_sample_do_not_spoil_those_beside",
    (
        "places without a sample hold the middle of the bounds",
        "np.repeat(values[-1:], spare, axis=0)",
        "np.tile(np.mean(self._plan.bounds, axis=0), (spare, 1))",
    ),
)

FOLDS = mutants(
    "fhenn/ckks/maps.py",
    "tests/planner/test_bound.py::test_a_wide_layer_is_rounded_once",
    ("maps: a sum is rescaled term by term", "return self.level > 0", "return False"),
)

SHARED = mutants(
    "fhenn/ckks/trace.py",
    "tests/planner/test_bound.py::test_errors_that_all_neurons_share_are_counted",
    (
        "trace: equal ciphertexts are rounded apart",
        "alike = (1, 1) if schedule else (affine.alike, affine.operator.outputs)",
        "alike = (1, 1)",
    ),
)

UNITS = mutants(
    "fhenn/planner/scaling.py",
    "tests/planner/test_units.py",
    ("units above the spread", "spread, 1.0))[1] - 1", "spread, 1.0))[1]"),
    ("units of few samples", "len(samples) >= _FEWEST:", "len(samples) > 0:"),
    ("units of what does not vary", "(spread > _NO_SPREAD * largest)", "(spread > 0)"),
    ("units of any size", " and abs(exponent - 1) <= _LARGEST_EXPONENT", ""),
    ("units that are no power of two", "return mantissa == 0.5 and", "return mantissa > 0 and"),
    ("units of classes", "return affine and (model.is_regression if relative is None else relative)", "return affine"),
    ("biases in the outputs' own units", "layer.bias * inverse.factors,", "layer.bias,"),
)

CACHE = mutants(
    "fhenn/ckks/maps.py",
    "tests/backends/seal/test_matrix.py::test_weights_are_encoded_for_each_level_scale_and_bias",
    ("encoded weights of any scale", "schedule, on.level(x), on.scale(x)", "schedule, on.level(x)"),
    ("encoded weights of any level", "schedule, on.level(x), on.scale(x)", "schedule, on.scale(x)"),
)

NATIVE_MESSAGES = mutants(
    "fhenn/backends/native/messages.py",
    "tests/backends/native/test_messages.py",
    ("native messages: any residue", "    _require(what, ring.holds(residues, places), ", "    _require(what, True, "),
    (
        "native messages: the first polynomial alone",
        "_require(what, ring.holds(residues, ",
        "_require(what, ring.holds(residues[:1], ",
    ),
    (
        "native messages: the wrong primes of a key up to a level",
        "(*range(level + 1), len(ring.primes) - 1)",
        "(*range(level + 2),)",
    ),
    ("native messages: any identity", "    _require(what, part.identity == expected, ", "    _require(what, True, "),
    ("native messages: any generator", "seed[0] == _BLAKE2XB", "seed[0] >= 0"),
    ("native messages: ciphertexts of keys", "residues.shape[1] < len(ring.primes)", "residues.shape[1] > 0"),
    ("native messages: any fingerprint", "    if fingerprint != message.fingerprint:", "    if not fingerprint:"),
    (
        "native messages: Galois keys that are not used",
        "    elif parts.galois_keys:",
        "    elif not parts:",
    ),
    ("native messages: no rotation keys", "    for each in message.rotations:", "    for each in ():"),
    ("native messages: no keys of TenSEAL's", "    if not message.rotations:", "    if not parts:"),
    ("native messages: the public key is not named", "    key = public_key\n", "    key = None\n"),
    ("native messages: no key for the square", "RELINEARISATION in relinearisation, ", "True, "),
    ("native messages: primes twice", "len(set(primes)) == len(primes)", "primes"),
    ("native messages: primes of any size", "prime < _PRIME_LIMIT and ", ""),
    ("native messages: any number for a prime", " and _is_prime(prime)", ""),
    ("native messages: primes by few bases", "19, 23, 29, 31, 37)", "19, 23)"),
    ("native messages: primes by half the test", "for _ in range(twos - 1)", "for _ in range(0)"),
    (
        "native messages: the wrong level",
        "        return len(self.residues[0]) - 1",
        "        return len(self.residues[0])",
    ),
    (
        "native messages: sizes that are not written",
        "object_header(len(head) + len(body), ",
        "object_header(0, ",
    ),
    (
        "native messages: packed though SEAL is to load it",
        "ring.pack(residues) if packed else",
        "ring.pack(residues) if 1 else",
    ),
    ("native messages: seeds from their generator on", "ring.expand_seed(seed[1:], ", "ring.expand_seed(seed[:-1], "),
)
KEY_MESSAGES = mutants(
    "fhenn/ckks/messages.py",
    "tests/backends/native/test_messages.py tests/backends/test_key_levels.py",
    (
        "messages: any number of rotation keys",
        "type(size) is not int or not 0 <= size <= len(body)",
        "type(size) is not int",
    ),
    ("messages: rotation keys of any type", "type(size) is not int or not 0", "size is None or not 0"),
    ("messages: levels that are no list", "all(isinstance(kind, list) and all(", "all(all("),
    ("messages: levels of any type", "list(map(type, stated)) == [int, int]", "len(stated) == 2"),
    ("messages: any level of keys", "all(0 <= level <= highest and length > 0 for", "all(length > 0 for"),
    ("messages: keys of no bytes", "0 <= level <= highest and length > 0 for", "0 <= level <= highest for"),
    ("messages: relinearisation keys twice", "if squares and (parts.relinearisation_keys or ", "if squares and ("),
    ("messages: relinearisation keys that nothing names", " or not parts.public_key):", "):"),
    ("messages: levels in any order", "all(before < after for", "all(before != after + 99 for"),
    (
        "messages: keys of other sizes than stated",
        "sum(length for kind in found for _, length in kind) == size",
        "size >= 0",
    ),
    (
        "messages: keys of before levels are refused",
        "rotations = [[highest, size]]",
        "rotations = []",
    ),
)
SUBCHAIN = mutants(
    "fhenn/backends/seal/subchain.py",
    "tests/backends/test_key_levels.py",
    ("subchain: any level", "return level <= self.level and bool", "return bool"),
    ("subchain: residues of other primes", "[[*range(level + 1), -1]]", "[[*range(level + 2)]]"),
)
KEY_LEVELS = [
    *mutants(
        "fhenn/ckks/trace.py",
        "tests/test_pass_through.py",
        ("trace: the last level of a key", "max(level, self.keys.get(steps, 0))", "level"),
        ("trace: keys for any level", "level <= self.available.get(steps, -1)", "steps in self.available"),
    ),
    *mutants(
        "fhenn/ckks/maps.py",
        "tests/test_pass_through.py",
        (
            "maps: babies for the level of folds",
            "| dict.fromkeys(steps - {0}, level)",
            "| dict.fromkeys(steps, folded)",
        ),
        ("maps: folds for the level of babies", "{step: folded for group", "{step: level for group"),
    ),
]
SEVERAL = [
    *mutants(
        "fhenn/backends/native/messages.py",
        tests_in(
            "tests/backends/native/test_messages.py",
            "test_one_of_several_that_is_another_is_refused_as_by_itself_or_read",
        ),
        (
            "native messages: all ciphertexts are as the first",
            "        if all(map(pattern.fits, bodies)):\n",
            "        if True:\n",
        ),
        (
            "native messages: residues of several are not checked",
            "            if found is not None:\n",
            "            if True:\n",
        ),
    ),
    *mutants(
        "fhenn/ckks/structure.py",
        tests_in(
            "tests/backends/native/test_messages.py",
            "test_one_of_several_that_is_another_is_refused_as_by_itself_or_read",
        ),
        (
            "native messages: several of any head",
            "if len(data) != self.size or not data.startswith(self.head):",
            "if len(data) != self.size:",
        ),
        (
            "native messages: several of any seed",
            "        return self.seed is None or data[",
            "        return True or data[",
        ),
    ),
]

NATIVE_KEYS = mutants(
    "fhenn/backends/native/keys.py",
    "tests/backends/native/test_messages.py",
    (
        "native keys: for more primes than they have",
        "        if self._digits[name] < primes:",
        "        if self._digits[name] < 0:",
    ),
)

ROTATIONS = mutants(
    "fhenn/ckks/rotations.py",
    "tests/ckks/test_rotations.py",
    (
        "rotations: hoisted ones err like chained ones",
        "tuple(int(step > 0) for step in steps)",
        "tuple(range(len(steps)))",
    ),
    ("rotations: hoisted ones by the keys of a chain", "return set(steps) - {0}", "return {1}"),
    ("rotations: hoisted ones share nothing", "return max(self.count(steps) - 1, 0)", "return 0"),
)

STRANGE_EVALUATOR = mutants(
    "fhenn/session/server.py",
    "tests/test_evaluators.py",
    ("servers: another evaluator errs as stated", "if error <= plan.error and worst <= plan.worst:", "if True:"),
    ("servers: what is shared may err by anything", "    if plan.queries:", "    if False:"),
    (
        "servers: copies compute by the plan's evaluator",
        "self._certificate, self._evaluator\n",
        "self._certificate, None\n",
    ),
)

STREAM = mutants(
    "fhenn/session/stream.py",
    "tests/session/test_stream.py",
    ("streams: parts in any order", "if part != self.parts:", "if part < 0:"),
    ("streams: parts of any stream", "if part and (stream is None or stream != self._stream):", "if part < 0:"),
    ("streams: uploads by themselves go on", "(stream is None or stream != self._stream)", "(stream != self._stream)"),
    ("streams: ends that say anything", "if stated != found or self.alone:", "if False:"),
    ("streams: go on after their end", "if next(rest, None) is not None:", "if False:"),
    (
        "streams: have no end",
        "    if not tally.alone:\n        raise tally.cut_off",
        "    if False:\n        raise tally.cut_off",
    ),
    ("streams: ends without the digests", "self._digest.update(bytes.fromhex(digest))", "pass"),
    ("streams: ends with a body", "if body or not (0 < end.parts", "if not (0 < end.parts"),
    (
        "streams: results in any order",
        "yield waiting.popleft().result()\n        while",
        "yield waiting.pop().result()\n        while",
    ),
    ("streams: all parts at once", "len(waiting) >= most or waiting[0].done()", "waiting[0].done()"),
    ("streams: work that nobody waits for", "            each.cancel()", "            pass"),
    ("streams: answers to another stream go on", "if binding is None or binding.upload != expected:", "if False:"),
)

STREAM_OF_CLIENT = mutants(
    "fhenn/session/client.py",
    "tests/session/test_stream.py",
    ("streams: fewer answers than parts", "if made is not None and tally.parts != made:", "if False:"),
    ("streams: answers to two streams", "return self._sent[binding.upload].stream", 'return ""'),
    ("streams: refusals of any number of samples", "if samples != refusal.samples:", "if False:"),
    ("streams: parts are shared until the budget is spent", "if asked.share and receipt is not None:", "if False:"),
    ("streams: what is not shared counts from each part", 'f"{report.after(before)}"', 'f"{report}"'),
    (
        "streams: violations count from each part",
        "raise RangeViolation(report.after(before))",
        "raise RangeViolation(report)",
    ),
)

UNFINISHED = mutants(
    "fhenn/artifacts/unfinished.py",
    "tests/artifacts/test_unfinished.py",
    ("unfinished: goes on with any job", "if left.job != self._entry.job:", "if False:"),
    ("unfinished: goes on with more than is there", "0 < entry.size <= there", "0 < entry.size"),
    ("unfinished: half a part stays", "    file.truncate(good)\n", ""),
    ("unfinished: takes the place of anything", "    require_place(path, kind)\n    with _closed", "    with _closed"),
    ("unfinished: errors that come again wait", "if comes_again(error) or not", "if not"),
    ("unfinished: files that are another's by now", "if not _is_named(file, place):", "if False:"),
    ("unfinished: journals of older files", "_journal_of(path).unlink(missing_ok=True)", "pass"),
    ("unfinished: files of other users", "state.st_uid != os.geteuid()", "False"),
)

READ_MESSAGE = mutants(
    "fhenn/wire.py",
    "tests/session/test_stream.py",
    ("messages: as large as they state", "file.read(min(left, _PIECE))", "file.read(left) if bytearray(left) else b''"),
    ("messages: cut off", "        if not piece:", "        if not piece and left < 0:"),
)

REMOTE_STREAMS = mutants(
    "fhenn/service/remote.py",
    tests_in(
        "tests/service/test_remote_streams.py",
        "test_closing_ends_what_is_asked test_answers_come_while_parts_are_still_to_be_sent_and_few_are_held",
        "test_a_stream_goes_on_after_answers_that_are_there test_a_part_that_is_too_large_names_the_way_out",
        "test_a_part_that_ends_workers_is_refused_and_the_rest_goes_on",
    ),
    (
        "remote streams: asked for though nobody waits",
        "                http.end()  # nobody",
        "                pass  # nobody",
    ),
    ("remote streams: more parts at once", "2 * self._connections, after", "3 * self._connections, after"),
    ("remote streams: all parts again", "2 * self._connections, after", "2 * self._connections"),
    ("remote streams: too large without a word", "if error.kind in _TOO_LARGE:", "if False:"),
    ("remote streams: end at a part that crashes", "if error.kind in _CRASHED:", "if False:"),
    (
        "remote streams: refusals of other samples",
        "Refusal(binding, header.samples, reason)",
        "Refusal(binding, 2, reason)",
    ),
)

REMOTE_CONNECTIONS = mutants(
    "fhenn/service/http_client.py",
    "tests/service/test_remote_streams.py::test_closing_ends_what_is_asked",
    ("connections: ten", '"max_connections": None', '"max_connections": 10'),
    ("connections: stay open", "for stream in self._streams:", "for stream in ():"),
)

REMOTE_PAUSES = mutants(
    "fhenn/service/retrying_client.py",
    "tests/service/test_remote_streams.py::test_closing_ends_pauses",
    (
        "pauses: to their end",
        "return self._ended.wait(seconds)",
        "return __import__('time').sleep(seconds) is not None",
    ),
)

SUMS = mutants(
    "fhenn/ckks/algebra.py",
    "tests/ckks/test_algebra.py",
    ("sums: of other keys", "    y.require_same_keys(x.context)\n    x, y", "    x, y"),
    ("sums: of other shapes", "    require_alike(x, y, operation)\n    return x, y", "    return x, y"),
    ("sums: of other scales", "x if x.scale == scale else _at_scale(x, scale, level)", "x"),
    (
        "sums: brought to a scale that is not exact",
        "return scale * on.primes[x.level] / x.scale",
        "return float(on.primes[x.level])",
    ),
    ("arrays: a mean that is a sum", "features if mean else 1)", "1)"),
    ("arrays: powers by one product after another", "half = 1 << (times - 1).bit_length() - 1", "half = times - 1"),
    ("arrays: sums that no modulus holds", "if largest > limit:", "if False:"),
)

SAMPLES = mutants(
    "fhenn/ckks/samples.py",
    "tests/ckks/test_algebra.py",
    ("samples: of idle places too", "    if left:\n", "    if False:\n"),
    ("samples: turned the other way", "(run.start - run.place) %", "(run.place - run.start) %"),
    ("samples: unmasked", "(start <= of_sample) & (of_sample < start + count)", "of_sample >= 0"),
    ("samples: a packed slice with spare slots", "if first % slots or (end % slots and end != size):", "if False:"),
)

AVERAGES = mutants(
    "fhenn/planner/averages.py",
    "tests/session/test_average.py",
    ("averages: by weights that do not add up to 1", "(given / total).tolist()", "given.tolist()"),
    ("averages: idle places as many times", "idle=layer.idle * share", "idle=layer.idle"),
    ("averages: more of them than are counted", "if error > plan_.error or worst > plan_.worst:", "if False:"),
    ("averages: as if each rounded nothing", "            uploads=uploads,\n", ""),
    ("averages: shared with too little accuracy", "accuracy=max(made.accuracy, seen)", "accuracy=made.accuracy"),
)

PRODUCTS = mutants(
    "fhenn/nn/multiply.py",
    "tests/nn/test_multiply.py",
    ("products: gradients of the branch itself", "x[::-1] * broadcast", "x * broadcast"),
    ("products: ciphertexts kept in one branch", "            return self.infer(x)\n", "            pass\n"),
    ("products: no level of their own", "return 1 + max(", "return max("),
)

BRANCHES = mutants(
    "fhenn/nn/circuit.py",
    "tests/nn/test_multiply.py",
    ("branches: sums at two scales cost nothing", "and _ending(other) != _ending(mine)", "and False"),
    ("branches: sums at one scale cost a level", "and _ending(other) != _ending(mine)", ""),
)

APART = mutants(
    "fhenn/safety/certificate.py",
    "tests/planner/test_multiply.py::test_certificates_of_products",
    (
        "certificate: products apart as one factor is",
        "sizes[0] * y[0] + sizes[1] * x[0] + x[0] * y[0]",
        "y[0] * 0.01 + x[0]",
    ),
)

DIGESTS = mutants(
    "fhenn/session/receipt.py",
    "tests/session/test_stream.py::test_a_part_whose_header_states_no_digest",
    ("digests: of any form", "if not is_digest(header.sha256):", "if False:"),
)

NORMS = mutants(
    "fhenn/ckks/operator.py",
    tests_in(
        "tests/ckks/test_operator.py",
        "test_a_bound_that_is_known_counts_where_it_is_less test_many_columns_are_those_of_the_matrix",
    ),
    ("norms: known to be more", "if spectral_norm < self.spectral_norm:", "if True:"),
    ("columns: what is not finite spreads", " or not np.isfinite(columns).all():", ":"),
)

KEPT_MAPS = mutants(
    "fhenn/backends/native/arithmetic.py",
    "tests/backends/native/test_coefficients.py",
    ("maps: kept in full whatever they take", "schedule.diagonals.present <= _KEPT", "schedule.diagonals.present >= 0"),
)

IMAGES_IN_NPY = [
    *mutants(
        "fhenn/cli/tables/npy.py",
        "tests/cli/test_table_chunks.py tests/cli/test_images.py",
        (
            "images: one is as many as its channels",
            "if len(values) == samples else (1, *values.shape)",
            "if values.ndim > 1 else (1, *values.shape)",
        ),
        ("images: of any shape", "count_samples(values.shape, prod(image), image, str(path))", "len(values)"),
    ),
    *mutants(
        "fhenn/cli/infer.py",
        "tests/cli/test_images.py",
        (
            "images: refused",
            "as_json, plan.shape, id_column, preparation, strict",
            "as_json, None, id_column, preparation, strict",
        ),
    ),
]

SEVERAL_CIPHERTEXTS = [
    *mutants(
        "fhenn/planner/walk.py",
        tests_in("tests/planner/test_images.py", "test_an_answer_of_several_ciphertexts_is_counted_in_full"),
        (
            "tiles: values of one ciphertext",
            "* (self.layout.tiles if isinstance(self.layout, WholeSamples) else 1)",
            "",
        ),
    ),
    *mutants(
        "fhenn/planner/demands.py",
        tests_in("tests/planner/test_images.py", "test_an_answer_of_several_ciphertexts_is_counted_in_full"),
        ("tiles: answers of one ciphertext", "return _tiles_of(plan)[-1] if", "return 1 if"),
    ),
    *mutants(
        "fhenn/planner/work.py",
        tests_in("tests/planner/test_work.py", "test_the_steps_of_layers_of_several_ciphertexts_are_counted"),
        ("tiles: activations of one ciphertext", "return x.layout.tiles if", "return 1 if"),
    ),
    *mutants(
        "fhenn/ckks/sums.py",
        tests_in("tests/planner/test_images.py", "test_witnesses_watch_images"),
        ("tiles: witnesses of the first one", "sums = _sums(on, handles, x.layout.tiles)", "sums = [handles[0]]"),
    ),
    *mutants(
        "fhenn/planner/placements.py",
        tests_in(
            "tests/planner/test_images.py",
            "test_branches_that_can_be_added_are_kept_in_view",
            "test_what_each_tap_meets_goes_where_the_outputs_stand",
        ),
        ("placements: branches out of view", " + [way for way in ranked[_KEPT:] if way.joins][:_KEPT]", ""),
        ("placements: uploads for nothing", "_SENT = 200.0", "_SENT = 0.0"),
    ),
    *mutants(
        "fhenn/ckks/copies.py",
        "tests/ckks/test_copies.py",
        ("copies: any diagonal", "best = int(left.argmax())", "best = int(left.nonzero()[0][-1])"),
    ),
    *mutants(
        "fhenn/ckks/maps.py",
        tests_in("tests/ckks/test_copies.py", "test_errors_of_copies_are_errors_of_inputs_of_their_own"),
        (
            "copies: roundings meet inputs once",
            "(end, self.operator.inputs)[held[held >= 0]]",
            "(end, self.operator.inputs)",
        ),
        ("copies: errors of inputs", "plain = _gains_of(operator, norm)", "plain = _gains_of(self.operator, norm)"),
    ),
    *mutants(
        "fhenn/ckks/layout.py",
        tests_in("tests/backends/seal/test_matrix.py", "test_a_placement_holds_every_feature"),
        ("copies: targets with them", "return _count_copies(self.table) == 1", "return True"),
        (
            "placements: ciphertexts for nothing",
            "every and bool(found.reshape(self.tiles, -1).any(axis=1).all())",
            "every",
        ),
    ),
]

READINGS = [
    *mutants(
        "fhenn/interop/reading/expressions.py",
        "tests/interop/reading/test_expressions.py",
        ("steps: of later ones", "if found not in range(len(earlier)):", "if False:"),
        ("steps: without end", "if cells > MOST_CELLS:", "if False:"),
        ("steps: other fields", "if data.keys() != hints.keys():", "if False:"),
        ("steps: some samples at a time", "scores[start : start + rows]", "scores[:rows]"),
    ),
    *mutants(
        "fhenn/interop/reading/maps.py",
        "tests/interop/reading/test_expressions.py",
        ("maps: steps for nothing", "if len(maps._steps) != len(steps):", "if False:"),
        ("maps: shares of any width", "self.probabilities.width == others)", "True)"),
        ("maps: places stay", "place + by for place", "place for place"),
    ),
    *mutants(
        "fhenn/interop/reading/operations.py",
        "tests/interop/reading/test_expressions.py",
        ("operations: points that fall", "bool(np.all(np.diff(self.x) > 0))", "True"),
        ("operations: infinite constants", "and bool(np.all(np.isfinite(numbers)))", ""),
        ("operations: thresholds count", "if self.inclusive else np.greater", "if True else np.greater"),
        ("operations: zeros of a row", "np.where(totals == 0, 1 / self.width,", "np.where(totals == 0, 0.0,"),
        ("operations: weights forgotten", "total / sum(self.weights)", "total / len(self.weights)"),
        ("operations: pairs of certainty", "_LEAST_SHARE, 1 - _LEAST_SHARE", "0.0, 1.0"),
        ("operations: columns before the first", "all(0 <= place < columns for place", "all(place < columns for place"),
    ),
    *mutants(
        "fhenn/interop/reading/reading.py",
        "tests/interop/reading/test_expressions.py tests/interop/reading/test_golden.py tests/interop/test_reading.py",
        ("readings: outputs of outputs", "!= several or others", "!= several"),
        ("readings: long types", "or dtype.itemsize > max(16, 4 * longest)", ""),
        (
            "readings: the newest version always",
            "if any(fields[name] not in (None, []) for name in _LATER):",
            "if True:",
        ),
        ("readings: any number of scores", "(allowed and values.shape[1] not in allowed)", "False"),
    ),
]

MUTANTS: tuple[Mutant, ...] = tuple(
    mutant
    for part in (
        IDLE, FLOODING, FLOOR, NOISE, CERTIFICATE, SHARING, BUDGET, STRUCTURE, HEADERS, PAGE, INFLATE, MESSAGES, PACKING, BITS, UNPACKING, PACKED_IN_CONTEXTS, SPARE, PROTOBUF, WIRE, SCAN, MATCHING, RECEIPT,
        VIOLATIONS, ANSWER, CLIENT, CLIENT_GUARD, SERVER, SECRET, TOKENS, QUOTA, BODIES, BLAME, WORK, FAIR, POOL, RUNNER, FAILURES, LOCAL, SPOOL, KEYS, UPLOADS, FILES,
        ROUTES, GUARD, OUTPUTS, WITNESS, DEMANDS, PLAN, LAYOUT, ARRAY, SEARCH, WORST, VERIFIED_WITNESSES, CACHE, LOAD, TRACE, FILLED, FOLDS, SHARED,
        UNITS, NATIVE_MESSAGES, SEVERAL, NATIVE_KEYS, KEY_MESSAGES, SUBCHAIN, KEY_LEVELS, ROTATIONS, STRANGE_EVALUATOR, STREAM,
        STREAM_OF_CLIENT, UNFINISHED, READ_MESSAGE, ENCRYPTION, STREAM_OF_SAMPLES, ENCRYPTOR,
        REMOTE_STREAMS, REMOTE_CONNECTIONS, REMOTE_PAUSES, SUMS, SAMPLES, AVERAGES, PRODUCTS, BRANCHES, APART, DIGESTS, NORMS, KEPT_MAPS, IMAGES_IN_NPY, SEVERAL_CIPHERTEXTS, READINGS,
    )
    for mutant in part
)  # fmt: skip
