"""`python -m euryale.testing.nursery`: forks the workers of a proof.

Importing an application takes a second or more, and a proof needs hundreds of workers. So one
process imports it once, and each worker is a fork. Where a module asks for a worker's settings when
it is imported, each worker imports anew what lies below the project's root.

It reads lines of JSON from its standard input: `{"id": 1, "assignment": {…}, "environment": {…},
"output": "file"}` starts a worker, `{"kill": 1}` kills it. It writes `{"id": 1, "code": -9}` for
each worker that has ended. When its standard input ends, it kills them all.
"""

import asyncio
import json
import os
import random
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from euryale.plugin import EuryalePlugin
from euryale.project import load_project
from euryale.testing.case_worker import Assignment, serve_case
from euryale.testing.environment_watch import EnvironmentWatch

_KEPT = ("euryale", "__main__")
"""Packages that are not imported anew, also where the engine lies below the project's root."""


def main(root: Path, app: str | None) -> None:
    """Serve until the standard input ends."""
    nursery = Nursery(root)
    # What an application prints while it is imported is no answer.
    os.dup2(2, 1)
    nursery.warm_up(app)
    nursery.serve()


def forget_own(root: Path) -> None:
    """Forget the modules below the project's root, so that they are imported anew."""
    for name, module in tuple(sys.modules.items()):
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        own = any(place and _is_own(Path(place), root) for place in places)
        if own and name.partition(".")[0] not in _KEPT:
            del sys.modules[name]


def _is_own(place: Path, root: Path) -> bool:
    return place.is_relative_to(root) and "site-packages" not in place.parts


class Nursery:
    """The workers that live, and the lines that tell of them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._asked = EnvironmentWatch()
        self._pids: dict[int, int] = {}
        self._answers = os.dup(1)
        # Each worker holds the reading end: it ends with the last writing one, which is here.
        self._life = os.pipe()

    def warm_up(self, app: str | None) -> None:
        """Import the application, and see which variables it asks for meanwhile."""
        # One that can't be imported here can't be by a worker either, which will say so.
        with suppress(Exception), self._asked.watching():
            project = load_project(app, start=self._root)
            EuryalePlugin(project.app, root=project.root, apply_schedules=False)

    def serve(self) -> None:
        """Start and kill workers as told, and tell of those that ended."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        rest = b""
        try:
            while True:
                ready, _, _ = select.select([0, wake], [], [])
                if wake in ready:
                    os.read(wake, 4096)
                    self._tell_of_ended()
                if 0 in ready:
                    chunk = os.read(0, 65_536)
                    if not chunk:
                        return
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))
        finally:
            for pid in self._pids.values():
                os.kill(pid, signal.SIGKILL)

    def _obey(self, told: dict[str, Any]) -> None:
        if "kill" not in told:
            self._start(told)
        elif (pid := self._pids.get(told["kill"])) is not None:
            os.kill(pid, signal.SIGKILL)

    def _start(self, told: dict[str, Any]) -> None:
        pid = os.fork()
        if pid:
            self._pids[told["id"]] = pid
            return
        code = 1
        try:
            self._become_worker(told)
            code = 0
        except BaseException:  # noqa: BLE001 -- nothing of the nursery may go on in the worker
            traceback.print_exc()
        finally:
            os._exit(code)

    def _become_worker(self, told: dict[str, Any]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(told["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, output), (2, output)):
            os.dup2(source, target)
        reading, writing = self._life
        os.close(writing)
        os.close(self._answers)
        threading.Thread(target=_end_with, args=(reading,), daemon=True).start()
        os.environ.update(told["environment"])
        if self._asked.concerns(told["environment"]):
            forget_own(self._root)
        # Forks of one process would all draw the same numbers.
        random.seed()
        asyncio.run(serve_case(Assignment(**told["assignment"])))

    def _tell_of_ended(self) -> None:
        for number, pid in tuple(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[number]
                line = json.dumps({"id": number, "code": os.waitstatus_to_exitcode(status)})
                os.write(self._answers, line.encode() + b"\n")


def _end_with(reading: int) -> None:
    os.read(reading, 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] or None)
