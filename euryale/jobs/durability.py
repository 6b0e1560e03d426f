"""The static check of a handler: what it does itself that would not survive a replay.

A handler is workflow code: it is run again from the start whenever its run goes on elsewhere, so
it must neither ask the machine for anything nor change anything but through its container.
`check_durability` finds in the source what breaks that rule, and names the durable way. It stays
silent when in doubt: Temporal's sandbox catches the rest while the job runs.

A line that is known to be safe is exempted by a comment, `# euryale: durable`; so is a `with` or
`if` that asks `workflow.unsafe`, as in `if not workflow.unsafe.is_replaying():`.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from euryale.errors import HandlerNotDurable
from euryale.jobs.durable_ways import Rule, durable_way, rule_of
from euryale.jobs.job import Job
from euryale.jobs.module_names import OWN, Function, Names, own_nodes

__all__ = ["check_durability", "durable_way", "find_not_durable"]

_EXEMPTION = "# euryale: durable"

_BLOCKS = "never awaits, so that it keeps the worker's thread"
_BLOCKS_WAY = "await something in it, such as `asyncio.sleep(...)`, or give it an end"

_IMPORT = "the import of the file, which each run repeats,"

# Not durable even where it isn't called.
_VALUES = frozenset({"os.environ"})

# Decorators whose functions run on the worker as activities, not in the run.
_ACTIVITY_MARKS = ("temporalio.activity.", "euryale.")


def check_durability(job: Job) -> tuple[HandlerNotDurable, ...]:
    """Check a job's handler, what it reaches in its own file, and what the file does at once.

    Returns:
        An error for each line that isn't durable, in the order of the lines; none for a file that
        was removed or broken since it was read.
    """
    try:
        source = job.file.read_text(encoding="utf-8-sig")
        return find_not_durable(source, file=job.where.rpartition(":")[0])
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()


def find_not_durable(
    source: str, *, file: str, handler: str = "handler"
) -> tuple[HandlerNotDurable, ...]:
    """Check the source of a module.

    Args:
        source: The text of the module.
        file: The file's name for the errors' messages.
        handler: The name that the module gives its handler.

    Raises:
        SyntaxError: The source is not Python.

    Example:
        >>> source = '''
        ... import time
        ... async def handler(container):
        ...     time.sleep(5)
        ... '''
        >>> [error.where for error in find_not_durable(source, file="jobs/nap.py")]
        ['jobs/nap.py:4']
    """
    tree = ast.parse(source)
    exempt = _exempt_lines(source)
    found: dict[tuple[int, str], HandlerNotDurable] = {}
    for label, finding in _findings(tree, handler):
        if exempt.isdisjoint(range(finding.line, finding.end_line + 1)):
            error = HandlerNotDurable(
                f"{label} uses {finding.what}, which {finding.why}",
                where=f"{file}:{finding.line}",
                mend=finding.way,
            )
            found.setdefault((finding.line, finding.what), error)
    return tuple(found[key] for key in sorted(found))


@dataclass(frozen=True)
class _Finding:
    """A place in the source that isn't durable."""

    line: int
    end_line: int
    what: str
    why: str
    way: str


def _exempt_lines(source: str) -> set[int]:
    if _EXEMPTION not in source:  # most files; telling comments apart costs as much as the rest
        return set()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and token.string.startswith(_EXEMPTION)
    }


def _findings(tree: ast.Module, handler: str) -> Iterator[tuple[str, _Finding]]:
    """What isn't durable in the handler and in what it reaches, each with its function's name."""
    names = Names.of(tree)
    imported = _ImportScan(names)
    imported.visit(tree)
    yield from ((_IMPORT, finding) for finding in imported.findings)
    todo = [OWN + handler]
    seen: set[str] = set()
    if todo[0] not in names.definitions:
        # A handler that is made rather than defined, as in `handler = logged(publish)`.
        scan = _Scan(names)
        for node in own_nodes(tree.body):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]) if name == handler:
                    scan.visit(node.value)
        todo = sorted(scan.reached)
    while todo:
        name = todo.pop()
        definition = names.definitions.get(name)
        if name in seen or definition is None:
            continue
        seen.add(name)
        if isinstance(definition, ast.ClassDef):
            continue
        scan = _Scan(names)
        if scan.runs_as_activity(definition):
            continue
        owner = name.rpartition(".")[0]
        scan.scan_function(definition, method_of=owner)
        yield from ((f"{name.removeprefix(OWN)}()", finding) for finding in scan.findings)
        todo.extend(sorted(scan.reached))


class _Scan(ast.NodeVisitor):
    """Goes through one function, and notes what isn't durable and what else it reaches."""

    def __init__(self, names: Names) -> None:
        self.findings: list[_Finding] = []
        self.reached: set[str] = set()
        self._names = names

    def runs_as_activity(self, function: Function) -> bool:
        """Whether a decorator makes the function one that runs on the worker."""
        decorators = (
            decorator.func if isinstance(decorator, ast.Call) else decorator
            for decorator in function.decorator_list
        )
        return any(
            (self._names.qualified(decorator) or "").startswith(_ACTIVITY_MARKS)
            for decorator in decorators
        )

    def scan_function(self, function: Function, method_of: str = "") -> None:
        """Go through a function: its decorators and its body, not its annotations."""
        for decorator in function.decorator_list:
            self.visit(decorator)
        self._names.enter(function, method_of)
        for statement in function.body:
            self.visit(statement)
        self._names.leave()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.scan_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.scan_function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._names.enter(node)
        self.visit(node.body)
        self._names.leave()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_With(self, node: ast.With) -> None:
        if not any(self._asks_unsafe(item.context_expr) for item in node.items):
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if not self._asks_unsafe(node.test):
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if forever and not any(_ends_or_awaits(inner) for inner in own_nodes(node.body)):
            line = node.test.lineno
            self.findings.append(_Finding(line, line, "`while True`", _BLOCKS, _BLOCKS_WAY))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        qualified = self._names.qualified(node.func)
        if (qualified or "").rpartition(".")[0] not in _VALUES:  # Those are noted as values.
            self._note(node, qualified)
        if isinstance(self._names.definitions.get(qualified or ""), ast.ClassDef):
            # Making an instance and using it calls these without naming them.
            self.reached.update(
                name
                for name in self._names.definitions
                if name.startswith(f"{qualified}.__") and name.endswith("__")
            )
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._reach(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._reach(node)

    def _reach(self, node: ast.Attribute | ast.Name) -> None:
        qualified = self._names.qualified(node)
        if qualified in _VALUES:
            self._note(node, qualified)
        if qualified is not None and qualified.startswith(OWN):
            self.reached.add(qualified)

    def _note(self, node: ast.expr, qualified: str | None) -> None:
        rule = self._applying(rule_of(qualified))
        if rule is None or qualified is None:
            return
        qualified = qualified.removeprefix("builtins.")
        written = ast.unparse(node.func if isinstance(node, ast.Call) else node)
        what = f"`{written}`" if written == qualified else f"`{written}` ({qualified})"
        end_line = node.end_lineno or node.lineno
        self.findings.append(_Finding(node.lineno, end_line, what, rule.why, rule.way))

    def _applying(self, rule: Rule | None) -> Rule | None:
        return rule

    def _asks_unsafe(self, expression: ast.expr) -> bool:
        return any(
            (self._names.qualified(node) or "").startswith("temporalio.workflow.unsafe")
            for node in ast.walk(expression)
            if isinstance(node, ast.Attribute | ast.Name)
        )


class _ImportScan(_Scan):
    """Goes through what a job file does when it is imported, as each run does in the sandbox."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_definition(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """What a lambda does isn't done when it is made."""

    def visit_If(self, node: ast.If) -> None:
        guards = {"__name__", "TYPE_CHECKING"}
        if not any(isinstance(n, ast.Name) and n.id in guards for n in ast.walk(node.test)):
            super().visit_If(node)

    def _visit_definition(self, node: Function) -> None:
        defaults = (one for one in node.args.kw_defaults if one is not None)
        for expression in (*node.decorator_list, *node.args.defaults, *defaults):
            self.visit(expression)

    def _applying(self, rule: Rule | None) -> Rule | None:
        return rule if rule is not None and rule.at_import else None


def _ends_or_awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.comprehension):
        return bool(node.is_async)
    leaving = (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)
    return isinstance(node, (*leaving, ast.Await, ast.AsyncFor, ast.AsyncWith))
