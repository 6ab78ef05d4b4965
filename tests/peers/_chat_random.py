"""Random template programs within the subset of Jinja that chat templates are written in."""
import random

STRINGS = ["'a'", "'Bc'", "''", "' x y '", "'héß'", "'a,b,,c'", "'<&>'", "'12'", "'-3.5'", "'日本 語'", "'it\\'s\\n'",
           '"q\\"\\u00e9\\t"', "'%s'", "'ǅ ΑΣ Σ'", "'one two\\tthree'", "'A.b-c d'"]
METHODS = [".strip()", ".lstrip()", ".rstrip()", ".strip('a x')", ".upper()", ".lower()", ".title()", ".capitalize()",
           ".swapcase()", ".replace('a', 'bb')", ".replace('', '-', 2)", ".center(7, '*')", ".ljust(5)", ".rjust(6, '.')",
           ".zfill(6)", ".removeprefix('a')", ".removesuffix('c')"]
STRING_FILTERS = ["trim", "upper", "lower", "title", "capitalize", "replace('b', 'X')", "string", "indent", "trim('a')",
                  "indent(2, true)", "default('z')", "indent('> ', blank=true)", "replace('a', 'q', 1)"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "sequence", "iterable", "number", "boolean", "true",
         "false", "integer", "float", "lower", "upper", "odd", "even", "divisibleby(3)", "equalto(1)", "eq('a')",
         "ne(2)", "gt(1)", "in([1, 2, 'a'])", "sameas(true)", "callable", "ge(0)", "lt(3)"]
SPECS = ["{}", "{:>5}", "{:<4}|", "{:^7}", "{!r}", "{0}{0}", "{:*^6}"]
NUMBER_SPECS = ["{:d}", "{:05d}", "{:+}", "{:x}", "{:,}", "{:.2f}", "{:8.3f}", "{:e}", "{:%}", "{:#x}", "{:b}", "{:>+6}"]
PERCENTS = ["%s", "%5s|", "%-5s|", "%r", "%.2s"]
NUMBER_PERCENTS = ["%d", "%03d", "%+d", "%.1f", "%e", "%g", "%x", "%5.2f", "%s%%"]
ATTRIBUTE_TESTS = ["", ", 'defined'", ", 'equalto', 1", ", 'none'"]
SPLITS = ["split()", "split(',')", "rsplit(' ', 1)", "splitlines()", "split(none, 1)", "rsplit(none, 1)",
          "partition('b')", "rpartition(' ')", "splitlines(true)"]
SEPARATORS = "separators=(',', ':')"
AFFIXES = "('a', 'b')"
PAIRS = ["1, 2", "l", "(s, n)", "'ab'", "d.items() | list"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.names = []

    def pick(self, items):
        return self.r.choice(items)

    def any(self, depth):
        kind = self.pick(["int", "int", "real", "text", "text", "list", "dict", "bool", "odd"])
        return getattr(self, kind)(depth)

    def odd(self, depth):
        del depth
        return self.pick(["none", "nothing", "none_", "d.zz", "users[9]", "l[-1]", "d['b']", "users[1].tag", "messages[0]",
                          "loop.index" if self.r.random() < .3 else "n", "words.sort", "s[99]", "d.items", "(1, 'a')",
                          "1.5.real" if self.r.random() < .02 else "x"])

    def int(self, depth):
        r = self.r.random()
        if depth <= 0 or r < .25:
            return self.pick(["0", "1", "2", "7", "-3", "10", "n", "l[0]", "users[0].age", "1_000", "true"])
        a, b = self.int(depth - 1), self.int(depth - 1)
        if r < .6:
            return f"({a} {self.pick(['+', '-', '*', '//', '%'])} {b})"
        return self.pick([
            lambda: f"{self.text(depth - 1)} | length", lambda: f"{self.list(depth - 1)} | length",
            lambda: f"{self.text(depth - 1)} | int", lambda: f"{self.text(depth - 1)} | int(default={b})",
            lambda: f"({self.real(depth - 1)}) | int", lambda: f"({a}) | abs", lambda: f"-{a}", lambda: f"({a}) ** 2",
            lambda: f"{self.list(depth - 1)} | sum", lambda: f"({a} if {self.bool(depth - 1)} else {b})",
            lambda: f"{self.text(depth - 1)}.find({self.text(0)})", lambda: f"{self.text(depth - 1)}.count({self.text(0)})",
            lambda: f"({a} or {b})", lambda: f"({a} and {b})", lambda: f"{self.list(depth - 1)} | {self.pick(['min', 'max'])}",
            lambda: f"{self.list(depth - 1)}.index({a})", lambda: f"{self.text(depth - 1)}.rfind('a')",
        ])()

    def real(self, depth):
        if depth <= 0 or self.r.random() < .3:
            return self.pick(["0.5", "x", "1e3", "2.0", "1e-7", "123456789.125", "1e22", "0.1", "-2.5", "1e15", "12345678901234567.0"])
        a, b = self.real(depth - 1), self.int(depth - 1)
        return self.pick([
            lambda: f"({a} {self.pick(['+', '-', '*', '/', '//', '%'])} {b})", lambda: f"({b} / {self.int(depth - 1)})",
            lambda: f"({a}) | round", lambda: f"({a}) | round(1)", lambda: f"({a}) | round(2, 'floor')",
            lambda: f"({a}) | abs", lambda: f"{self.text(depth - 1)} | float", lambda: f"({b}) | float",
            lambda: f"({a}) | round(0, 'ceil')",
        ])()

    def text(self, depth):
        if depth <= 0 or self.r.random() < .2:
            return self.pick(STRINGS + ["s", "d.k", "words[0]", "messages[0].role", "users[0]['name']"])
        t = lambda: self.text(depth - 1)  # noqa: E731
        return self.pick([
            lambda: f"({t()} + {t()})", lambda: f"({t()} ~ {self.any(depth - 1)})", lambda: t() + self.pick(METHODS),
            lambda: f"({t()} | {self.pick(STRING_FILTERS)})", lambda: f"{t()}[{self.int(0)}]",
            lambda: f"({t()} ~ '')[{self.slice()}]", lambda: f"({self.list(depth - 1)} | join({t()}))",
            lambda: f"({self.any(depth - 1)} | string)", lambda: f"({self.any(depth - 1)} | tojson)",
            lambda: f"({self.any(depth - 1)} | tojson({self.pick(['indent=2', 'ensure_ascii=true', 'sort_keys=true', SEPARATORS, 'indent=0'])}))",
            lambda: f"({t()} * {self.pick(['0', '2', '3', '-1'])})", lambda: f"({t()} if {self.bool(depth - 1)} else {t()})",
            lambda: f"({t()} if {self.bool(depth - 1)})", lambda: f"'{self.pick(SPECS)}'.format({self.any(depth - 1)})",
            lambda: f"'{self.pick(NUMBER_SPECS)}'.format({self.pick([self.int, self.real])(depth - 1)})",
            lambda: f"'{self.pick(PERCENTS)}' % ({self.any(depth - 1)},)",
            lambda: f"('{self.pick(NUMBER_PERCENTS)}' % {self.pick([self.int, self.real])(0)})",
            lambda: f"('{self.pick(PERCENTS)}' | format({self.any(depth - 1)}))",
            lambda: f"{t()}.join({self.pick(['words', self.list(depth - 1)])})", lambda: f"({self.list(depth - 1)} | first)",
            lambda: f"({t()} | default({t()}, true))", lambda: f"({t()} or {t()})", lambda: f"{t()} | reverse",
            lambda: f"'{{a}}{{b[0]}}'.format(a={self.any(0)}, b={self.list(0)})",
        ])()

    def slice(self):
        part = lambda: self.pick(["", "", "1", "-1", "2", "-2", "5", "0"])  # noqa: E731
        return self.pick([f"{part()}:{part()}", f"{part()}:{part()}:{self.pick(['', '-1', '2', '-2'])}"])

    def list(self, depth):
        if depth <= 0 or self.r.random() < .2:
            return self.pick(["l", "words", "[]", "[1, 'a', none]", "[2, 1, 3]", "['b', 'A', 'a']", "(1, 2)", "range(4)", "[[1, 2], [0]]",
                              "users", "messages", "'abc'"])
        a = lambda: self.list(depth - 1)  # noqa: E731
        return self.pick([
            lambda: f"[{', '.join(self.any(depth - 1) for _ in range(self.r.randrange(4)))}]", lambda: f"({a()} + {a()})",
            lambda: f"{a()}[{self.slice()}]", lambda: f"({a()} | list)", lambda: f"({a()} | reverse | list)",
            lambda: f"({a()} | sort)", lambda: f"({a()} | sort(reverse=true, case_sensitive=true))", lambda: f"({a()} | unique | list)",
            lambda: f"({a()} | map('{self.pick(['upper', 'string', 'length', 'int', 'tojson', 'lower'])}') | list)",
            lambda: f"({a()} | select('{self.pick(['string', 'number', 'odd', 'defined', 'none'])}') | list)",
            lambda: f"({a()} | reject('{self.pick(['string', 'number', 'none', 'mapping'])}') | list)", lambda: f"({a()} | select | list)",
            lambda: f"(users | {self.pick(['selectattr', 'rejectattr'])}('{self.pick(['tag', 'age', 'name', 'tag'])}'{self.pick(ATTRIBUTE_TESTS)}) | list)",
            lambda: f"(users | map(attribute='{self.pick(['name', 'age', 'tag', 'zz'])}'{self.pick(['', ', default=0'])}) | list)",
            lambda: f"(users | sort(attribute='{self.pick(['name', 'age'])}') | map(attribute='name') | list)",
            lambda: f"({self.dict(depth - 1)} | dictsort)", lambda: f"({self.dict(depth - 1)} | items | list)",
            lambda: f"{self.dict(depth - 1)}.{self.pick(['keys', 'values', 'items'])}() | list",
            lambda: f"{self.text(depth - 1)}.{self.pick(SPLITS)}",
            lambda: f"({self.text(depth - 1)} | list)", lambda: f"({a()} * 2)", lambda: f"range({self.int(0)}, {self.int(0)}, {self.pick(['1', '2', '-1'])}) | list",
            lambda: f"({a()} | batch(2) | list)", lambda: f"({a()} if {self.bool(depth - 1)} else {a()})",
        ])()

    def dict(self, depth):
        if depth <= 0 or self.r.random() < .4:
            return self.pick(["d", "{}", "{'a': 1, 'B': 'x'}", "users[0]", "messages[1]", "{1: 'one', 'two': [2]}", "dict(a=1, z=none)"])
        pairs = ", ".join(f"{self.pick([self.text, self.int])(0)}: {self.any(depth - 1)}" for _ in range(self.r.randrange(3)))
        return self.pick([lambda: "{" + pairs + "}", lambda: f"dict({self.dict(depth - 1)}, q={self.any(depth - 1)})"])()

    def bool(self, depth):
        if depth <= 0 or self.r.random() < .15:
            return self.pick(["true", "false", "t", "nothing", "n > 3", "'a' in s", "d.k"])
        a, b = self.any(depth - 1), self.any(depth - 1)
        same = self.pick([self.int, self.text, self.real, self.list])
        return self.pick([
            lambda: f"({same(depth - 1)} {self.pick(['==', '!=', '<', '>', '<=', '>='])} {same(depth - 1)})",
            lambda: f"({a} {self.pick(['==', '!='])} {b})", lambda: f"({a} in {self.list(depth - 1)})",
            lambda: f"({self.text(0)} not in {self.text(depth - 1)})", lambda: f"({a} in {self.dict(0)})",
            lambda: f"not {self.bool(depth - 1)}", lambda: f"({self.bool(depth - 1)} and {self.bool(depth - 1)})",
            lambda: f"({self.bool(depth - 1)} or {self.bool(depth - 1)})",
            lambda: f"({a} is {self.pick(['', 'not '])}{self.pick(TESTS)})", lambda: f"(1 < {self.int(depth - 1)} <= 5)",
            lambda: f"{self.text(depth - 1)}.{self.pick(['startswith', 'endswith'])}({self.pick([self.text(0), AFFIXES])})",
            lambda: f"{self.text(depth - 1)}.{self.pick(['isdigit()', 'isalpha()', 'isupper()', 'islower()', 'isspace()', 'isalnum()'])}",
        ])()

    # ---- statements

    def tag(self, inside):
        begin, end = self.pick(["{%", "{%", "{%-", "{%+"]), self.pick(["%}", "%}", "-%}", "+%}"])
        return f"{begin} {inside} {end}"

    def space(self):
        return self.pick(["", "", " ", "\n", "\n  ", " \n\n", "x", "\ty \n"])

    def output(self, depth):
        return self.pick(["{{ ", "{{- ", "{{"]) + " " + self.any(depth) + self.pick([" }}", " -}}", " }}"])

    def statement(self, depth):
        if depth <= 0 or self.r.random() < .45:
            return self.space() + self.output(self.r.randrange(1, 4)) + self.space()
        body = lambda: self.body(depth - 1)  # noqa: E731
        t = self.tag
        return self.space() + self.pick([
            lambda: t(f"if {self.bool(2)}") + body() + t("endif"),
            lambda: t(f"if {self.bool(2)}") + body() + t(f"elif {self.bool(1)}") + body() + t("else") + body() + t("endif"),
            lambda: t(f"for i in {self.list(2)}") + "{{ loop.index }}{{ i }}" + body() + t("endfor"),
            lambda: t(f"for i in {self.list(1)} if {self.pick(['i', 'i is string', 'loop is defined', 'i != 1'])}")
            + "{{ loop.revindex0 }}" + self.pick(["{{ loop.last }}", "{{ loop.nextitem }}", "{{ loop.length }}{{ loop.previtem }}",
                                                  "{{ loop.cycle('o', 'e') }}", "{{ loop.changed(i is string) }}"])
            + t("else") + "none" + t("endfor"),
            lambda: t(f"for k, v in {self.dict(1)}.items()") + "{{ k }}={{ v }}" + self.space()
            + self.pick(["", t("if loop.first") + t("continue") + t("endif"), t("if k == 'k'") + t("break") + t("endif")])
            + "." + t("endfor"),
            lambda: t(f"set v{self.r.randrange(3)} = {self.any(3)}") + "{{ v0 }}{{ v1 }}{{ v2 is defined }}",
            lambda: t(f"set v{self.r.randrange(3)}{self.pick(['', ' | trim', ' | upper'])}") + body() + t("endset") + "{{ v1 }}",
            lambda: t(f"set ns = namespace(a={self.any(1)}, c=0)") + t("for i in range(3)") + t("set ns.c = ns.c + i")
            + t("set v0 = i") + t("endfor") + "{{ ns.c }}{{ ns.a }}{{ v0 }}",
            lambda: t("macro m(a, b=2, c=n)") + "({{ a }},{{ b }},{{ c }})" + body() + t("endmacro")
            + "{{ m(1) }}{{ m(" + self.any(1) + ", b=" + self.any(1) + ") }}{{ m() | length }}",
            lambda: t(f"with w = {self.any(1)}, n = 3") + "{{ w }}{{ n }}" + body() + t("endwith") + "{{ n }}",
            lambda: t("filter upper") + body() + t("endfilter"), lambda: "{#" + self.pick(["-", ""]) + " note " + self.pick(["-", "+", ""]) + "#}",
            lambda: t("raw") + "{{ x }}" + self.space() + t("endraw"),
            lambda: t("generation") + body() + t("set v0 = 9") + t("endgeneration") + "{{ v0 }}",
            lambda: t(f"set v0, v1 = {self.pick(PAIRS)}") + "{{ v0 }}{{ v1 }}",
        ])() + self.space()

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.r.randrange(1, 3)))


def program(seed):
    """One of them; the same for the same seed."""
    maker = Maker(seed)
    if seed % 2:
        return "{{ " + maker.any(1 + seed % 4) + " }}"
    return maker.body(2)
