"""What isn't durable in a handler, and the durable way of doing it: the table and its look-up.

The static check reads it, and so does a run that Temporal's sandbox stopped.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What some names do, and the durable way of doing it.

    `at_import` is False for what the sandbox lets a job file do while it is imported.
    """

    why: str
    way: str
    names: str
    at_import: bool = True


_SERVICE = "do it in a service's method, and call that through `container.resolve(...)`"
_LOGGER = 'write `container.resolve("logger")`, whose lines are logged once and not once per replay'

_RULES = (
    Rule(
        "asks the machine for the time, which differs under replay",
        "write `container.now()` in the handler",
        """
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today time.time time.time_ns time.monotonic time.monotonic_ns
        time.perf_counter time.perf_counter_ns time.process_time time.process_time_ns
        time.thread_time time.thread_time_ns time.localtime
        """,
    ),
    Rule(
        "keeps the worker's thread and is forgotten by a crash",
        "write `await asyncio.sleep(...)`, which is a durable timer in a run",
        "time.sleep",
    ),
    Rule(
        "gives other numbers under replay",
        "write `container.random()` in the handler",
        "random secrets os.urandom os.getrandom",
    ),
    Rule(
        "gives another id under replay",
        "write `container.uuid4()` in the handler",
        "uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7",
    ),
    Rule(
        "reads or changes files",
        _SERVICE,
        """
        builtins.open io.open bz2.open gzip.open lzma.open tarfile.open
        shutil tempfile glob fileinput filecmp shelve dbm
        pathlib.Path.chmod pathlib.Path.cwd pathlib.Path.exists pathlib.Path.glob
        pathlib.Path.home pathlib.Path.is_dir pathlib.Path.is_file pathlib.Path.iterdir
        pathlib.Path.mkdir pathlib.Path.open pathlib.Path.read_bytes pathlib.Path.read_text
        pathlib.Path.rename pathlib.Path.replace pathlib.Path.resolve pathlib.Path.rglob
        pathlib.Path.rmdir pathlib.Path.stat pathlib.Path.touch pathlib.Path.unlink
        pathlib.Path.write_bytes pathlib.Path.write_text
        """,
    ),
    Rule("asks the operating system", _SERVICE, "os platform signal"),
    Rule(
        "Temporal's sandbox refuses",
        "use `pathlib` for the names of files, and a service's method for the files themselves",
        "os.path",
    ),
    Rule(
        "reads the environment, which differs between machines",
        "give the value in the job's `data` or in its plugin's options, or read it in a service",
        "os.environ os.getenv",
    ),
    Rule(
        "starts a process",
        _SERVICE,
        """
        subprocess os.system os.popen
        asyncio.create_subprocess_exec asyncio.create_subprocess_shell
        """,
    ),
    Rule(
        "speaks over the network",
        _SERVICE,
        """
        socket socketserver select selectors smtplib ftplib imaplib poplib xmlrpc.client
        http.client urllib.request urllib3 requests aiohttp boto3 grpc
        requests.get requests.post requests.put requests.patch requests.delete requests.head
        requests.options requests.request requests.Session requests.session
        aiohttp.ClientSession aiohttp.request urllib3.PoolManager urllib3.request
        boto3.client boto3.resource boto3.Session
        httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.options
        httpx.request httpx.stream httpx.Client httpx.AsyncClient
        asyncio.open_connection asyncio.start_server
        """,
        at_import=False,
    ),
    Rule(
        "speaks to a database",
        _SERVICE,
        """
        sqlite3 aiosqlite psycopg psycopg2 asyncpg pymongo redis
        sqlite3.connect aiosqlite.connect psycopg.connect psycopg.AsyncConnection
        psycopg2.connect asyncpg.connect asyncpg.create_pool pymongo.MongoClient redis.Redis
        sqlalchemy.create_engine sqlalchemy.ext.asyncio.create_async_engine
        sqlalchemy.orm.Session sqlalchemy.ext.asyncio.AsyncSession
        """,
        at_import=False,
    ),
    Rule(
        "runs code outside the run's own event loop",
        _SERVICE,
        """
        threading multiprocessing concurrent.futures asyncio.to_thread asyncio.run
        asyncio.get_event_loop.run_in_executor asyncio.get_running_loop.run_in_executor
        """,
    ),
    Rule(
        "prints again at every replay",
        _LOGGER,
        """
        builtins.print logging.debug logging.info logging.warning logging.error
        logging.exception logging.critical logging.log logging.getLogger structlog.get_logger
        """,
        at_import=False,
    ),
    Rule(
        "waits for a person at a terminal",
        "give the value in the job's `data`",
        "builtins.input getpass",
    ),
)

# What is safe below a name that is not.
_SAFE = ("psycopg.sql", "random.Random", "secrets.compare_digest")

# Their calls are refused in a run too. (SQLAlchemy's and the standard library's lie deeper, or are
# known to Temporal's sandbox already.)
_LIBRARIES = (
    *("aiohttp", "aiosqlite", "asyncpg", "boto3", "httpx", "psycopg", "psycopg2", "pymongo"),
    *("redis", "requests", "sqlite3", "urllib3"),
)

_TABLE: dict[str, Rule | None] = {
    **{name: rule for rule in _RULES for name in rule.names.split()},
    **dict.fromkeys(_SAFE),
}


def durable_way(qualified_name: str) -> str:
    """How to do in a handler what a name would do, as a sentence without its full stop.

    Args:
        qualified_name: A dotted name, also as Temporal's sandbox gives it.

    Example:
        >>> durable_way("datetime.datetime.now.__call__")
        'write `container.now()` in the handler'
    """
    rule = rule_of(qualified_name.removesuffix(".__call__").replace("__builtins__", "builtins"))
    return _SERVICE if rule is None else rule.way


def outward_calls() -> dict[str, frozenset[str]]:
    """The functions and classes, by module, by which libraries reach the network or a database.

    Temporal's own sandbox knows the standard library alone. Only calls are listed, since a job
    file may well name a library's exceptions.

    Example:
        >>> sorted(outward_calls()["psycopg"])
        ['AsyncConnection', 'connect']
    """
    found: dict[str, set[str]] = {}
    for rule in _RULES:
        if rule.at_import:
            continue
        for name in rule.names.split():
            module, _, member = name.rpartition(".")
            if module in _LIBRARIES:
                found.setdefault(module, set()).add(member)
    return {module: frozenset(members) for module, members in found.items()}


def rule_of(qualified: str | None) -> Rule | None:
    """The rule of a name, or of the nearest name that it lies below."""
    while qualified:
        if qualified in _TABLE:
            return _TABLE[qualified]
        qualified = qualified.rpartition(".")[0]
    return None
