"""What the names in a module's source stand for, as far as the source alone tells.

A name that a parameter, a loop or a second assignment binds stands for nothing that is known, so
that nobody takes a variable called `random` for the module.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

OWN = "."
"""What the qualified names of a module's own functions and classes begin with."""

# Calls whose result is known by the methods that are called on it.
_MAKERS = frozenset(
    {
        "pathlib.Path",
        "random.Random",
        "random.SystemRandom",
        "logging.getLogger",
        "structlog.get_logger",
        "asyncio.get_event_loop",
        "asyncio.get_running_loop",
        "httpx.Client",
        "httpx.AsyncClient",
        "requests.Session",
        "requests.session",
        "aiohttp.ClientSession",
        "boto3.client",
        "boto3.resource",
        "redis.Redis",
        "redis.from_url",
        "redis.asyncio.Redis",
        "redis.asyncio.from_url",
        "sqlalchemy.create_engine",
        "sqlalchemy.ext.asyncio.create_async_engine",
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
    }
)

# What leads from one path to another.
_PATH_STEPS = frozenset({"parent", "joinpath", "with_name", "with_suffix"})


@dataclass
class Names:
    """The names of a module, and of the functions that one is in at the moment.

    Attributes:
        definitions: The module's own functions and classes by their qualified names, such as
            `.load` and `.Report.write`.
    """

    definitions: dict[str, Function | ast.ClassDef] = field(default_factory=dict)
    _scopes: list[dict[str, str | None]] = field(default_factory=list)

    @classmethod
    def of(cls, tree: ast.Module) -> "Names":
        """The names of a module."""
        names = cls()
        for node in own_nodes(tree.body):
            if isinstance(node, Function | ast.ClassDef):
                names._define(OWN, node)
        names._scopes.append({})
        names._bind(tree.body)
        return names

    def enter(self, function: Function | ast.Lambda, method_of: str = "") -> None:
        """Go into a function; `method_of` is the qualified name of the class that it belongs to."""
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
        scope: dict[str, str | None] = {parameter.arg: None for parameter in parameters}
        if method_of and parameters:
            scope[parameters[0].arg] = method_of
        self._scopes.append(scope)
        self._bind(function.body if isinstance(function.body, list) else [function.body])

    def leave(self) -> None:
        """Come out of the function that was entered last."""
        self._scopes.pop()

    def qualified(self, expression: ast.expr) -> str | None:
        """The qualified name that an expression stands for; None where it isn't evident.

        A call stands for what it calls where its result is known by the methods called on it:
        `pathlib.Path("x").read_text` is `pathlib.Path.read_text`.
        """
        found: str | None = None
        match expression:
            case ast.Name(id=name):
                found = f"builtins.{name}" if hasattr(builtins, name) else None
                for scope in self._scopes:
                    found = scope.get(name, found)
            case ast.Attribute(value=value, attr=attribute):
                base = self.qualified(value)
                steps = base == "pathlib.Path" and attribute in _PATH_STEPS
                found = base if steps or base is None else f"{base}.{attribute}"
            case ast.Call(func=function):
                called = self.qualified(function)
                own_class = isinstance(self.definitions.get(called or ""), ast.ClassDef)
                found = called if own_class or called in _MAKERS else None
            case ast.BinOp(left=left, op=ast.Div()):
                path = self.qualified(left)
                found = path if path == "pathlib.Path" else None
        return found

    def _define(self, prefix: str, node: Function | ast.ClassDef) -> None:
        name = f"{prefix}{node.name}"
        self.definitions[name] = node
        if isinstance(node, ast.ClassDef):
            for child in own_nodes(node.body):
                if isinstance(child, Function):
                    self._define(f"{name}.", child)

    def _bind(self, body: Iterable[ast.AST]) -> None:
        """Bind what the statements of the innermost scope bind, in their order."""
        scope = self._scopes[-1]
        at_module_level = len(self._scopes) == 1
        values = {}
        for node in own_nodes(body):
            match node:
                case ast.Assign(targets=[ast.Name() as target], value=value):
                    values[target] = value
                case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                    values[target] = value
            for name, qualified in self._bound_by(node, values, at_module_level):
                # Bound twice to different things: nobody knows which one it is.
                known = scope.get(name, qualified)
                scope[name] = qualified if known == qualified else None
            if isinstance(node, ast.Global | ast.Nonlocal):
                for name in node.names:
                    scope.pop(name, None)

    def _bound_by(
        self, node: ast.AST, values: dict[ast.Name, ast.expr], at_module_level: bool
    ) -> Iterator[tuple[str, str | None]]:
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    first = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                for alias in aliases:
                    yield (
                        alias.asname or alias.name,
                        f"{module}.{alias.name}" if level == 0 else None,
                    )
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, f"{OWN}{node.name}" if at_module_level else None
            case ast.Name(ctx=ast.Store() | ast.Del()):
                yield node.id, self.qualified(values[node]) if node in values else None
            case ast.ExceptHandler(name=str() as name):
                yield name, None
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield name, None
            case ast.MatchMapping(rest=str() as name):
                yield name, None


def own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These nodes and what they hold, without the insides of functions, classes and lambdas."""
    for node in nodes:
        yield node
        if not isinstance(node, _OWN_SCOPE):
            yield from own_nodes(ast.iter_child_nodes(node))
