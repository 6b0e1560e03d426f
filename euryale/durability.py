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
from euryale.job import Job
from euryale.module_names import OWN, Function, Names, own_nodes

_EXEMPTION = "# euryale: durable"


@dataclass(frozen=True)
class _Rule:
    """What some names do, and the durable way of doing it."""

    why: str
    way: str
    names: str


_SERVICE = "do it in a service's method, and call that through `container.resolve(...)`"
_LOGGER = 'write `container.resolve("logger")`, whose lines are logged once and not once per replay'

_RULES = (
    _Rule(
        "asks the machine for the time, which differs under replay",
        "write `container.now()`",
        """
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today time.time time.time_ns time.monotonic time.monotonic_ns
        time.perf_counter time.perf_counter_ns time.process_time time.process_time_ns
        time.thread_time time.thread_time_ns time.localtime
        """,
    ),
    _Rule(
        "keeps the worker's thread and is forgotten by a crash",
        "write `await asyncio.sleep(...)`, which is a durable timer in a run",
        "time.sleep",
    ),
    _Rule(
        "gives other numbers under replay",
        "write `container.random()`, which gives the same numbers again under replay",
        "random secrets os.urandom os.getrandom",
    ),
    _Rule(
        "gives another id under replay",
        "write `container.uuid4()`",
        "uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7",
    ),
    _Rule(
        "reads or changes files",
        _SERVICE,
        """
        builtins.open io.open bz2.open gzip.open lzma.open tarfile.open zipfile.ZipFile
        shutil tempfile glob fileinput filecmp shelve dbm
        pathlib.Path.chmod pathlib.Path.cwd pathlib.Path.exists pathlib.Path.glob
        pathlib.Path.home pathlib.Path.is_dir pathlib.Path.is_file pathlib.Path.iterdir
        pathlib.Path.mkdir pathlib.Path.open pathlib.Path.read_bytes pathlib.Path.read_text
        pathlib.Path.rename pathlib.Path.replace pathlib.Path.resolve pathlib.Path.rglob
        pathlib.Path.rmdir pathlib.Path.stat pathlib.Path.touch pathlib.Path.unlink
        pathlib.Path.write_bytes pathlib.Path.write_text
        """,
    ),
    _Rule("asks the operating system", _SERVICE, "os platform signal"),
    _Rule(
        "reads the environment, which differs between machines",
        "give the value in the job's `data` or in its plugin's options, or read it in a service",
        "os.environ os.getenv",
    ),
    _Rule(
        "starts a process",
        _SERVICE,
        "subprocess asyncio.create_subprocess_exec "
        "asyncio.create_subprocess_shell os.system os.popen",
    ),
    _Rule(
        "speaks over the network",
        _SERVICE,
        """
        socket socketserver select selectors smtplib ftplib imaplib poplib xmlrpc.client
        http.client urllib.request urllib3 requests aiohttp boto3 grpc
        httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.options
        httpx.request httpx.stream httpx.Client httpx.AsyncClient
        asyncio.open_connection asyncio.start_server
        """,
    ),
    _Rule(
        "speaks to a database",
        _SERVICE,
        """
        sqlite3 aiosqlite psycopg psycopg2 asyncpg pymongo redis
        sqlalchemy.create_engine sqlalchemy.ext.asyncio.create_async_engine
        sqlalchemy.orm.Session sqlalchemy.ext.asyncio.AsyncSession
        """,
    ),
    _Rule(
        "runs code outside the run's own event loop",
        _SERVICE,
        """
        threading multiprocessing concurrent.futures asyncio.to_thread asyncio.run
        asyncio.get_event_loop.run_in_executor asyncio.get_running_loop.run_in_executor
        """,
    ),
    _Rule(
        "prints again at every replay",
        _LOGGER,
        """
        builtins.print logging.debug logging.info logging.warning logging.error
        logging.exception logging.critical logging.log logging.getLogger structlog.get_logger
        """,
    ),
    _Rule(
        "waits for a person at a terminal",
        "give the value in the job's `data`",
        "builtins.input getpass",
    ),
)

# What is safe below a name that is not.
_SAFE = ("psycopg.sql", "random.Random", "random.SecureRandom", "secrets.compare_digest")

_TABLE: dict[str, _Rule | None] = {
    **{name: rule for rule in _RULES for name in rule.names.split()},
    **dict.fromkeys(_SAFE),
}

_BLOCKS = "never awaits, so that it keeps the worker's thread"
_BLOCKS_WAY = "await something in it, such as `asyncio.sleep(...)`, or give it an end"

# Not durable even where it isn't called.
_VALUES = frozenset({"os.environ"})

# Decorators whose functions run on the worker as activities, not in the run.
_ACTIVITY_MARKS = ("temporalio.activity.", "euryale.")


def durable_way(qualified_name: str) -> str:
    """How to do in a handler what a name would do, as a sentence without its full stop.

    Args:
        qualified_name: A dotted name, also as Temporal's sandbox gives it.

    Example:
        >>> durable_way("datetime.datetime.now.__call__")
        'write `container.now()`'
    """
    rule = _rule(qualified_name.removesuffix(".__call__").replace("__builtins__", "builtins"))
    return _SERVICE if rule is None else rule.way


def check_durability(job: Job) -> tuple[HandlerNotDurable, ...]:
    """Check a job's handler, and what it reaches in its own file.

    Returns:
        An error for each line that isn't durable, in the order of the lines.
    """
    source = job.file.read_text(encoding="utf-8-sig")
    return find_not_durable(source, file=job.where.rpartition(":")[0])


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


def _rule(qualified: str | None) -> _Rule | None:
    """The rule of a name, or of the nearest name that it lies below."""
    while qualified:
        if qualified in _TABLE:
            return _TABLE[qualified]
        qualified = qualified.rpartition(".")[0]
    return None


def _exempt_lines(source: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and token.string.startswith(_EXEMPTION)
    }


def _findings(tree: ast.Module, handler: str) -> Iterator[tuple[str, _Finding]]:
    """What isn't durable in the handler and in what it reaches, each with its function's name."""
    names = Names.of(tree)
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
        rule = _rule(qualified)
        if rule is None or qualified is None:
            return
        qualified = qualified.removeprefix("builtins.")
        written = ast.unparse(node.func if isinstance(node, ast.Call) else node)
        what = f"`{written}`" if written == qualified else f"`{written}` ({qualified})"
        end_line = node.end_lineno or node.lineno
        self.findings.append(_Finding(node.lineno, end_line, what, rule.why, rule.way))

    def _asks_unsafe(self, expression: ast.expr) -> bool:
        return any(
            (self._names.qualified(node) or "").startswith("temporalio.workflow.unsafe")
            for node in ast.walk(expression)
            if isinstance(node, ast.Attribute | ast.Name)
        )


def _ends_or_awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.comprehension):
        return bool(node.is_async)
    leaving = (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)
    return isinstance(node, (*leaving, ast.Await, ast.AsyncFor, ast.AsyncWith))
