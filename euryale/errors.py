"""Every error that Euryale raises on purpose: one class a kind, each with a stable code.

An error says what happened, where, and how to mend it. `docs/errors.md` has a paragraph for
each code. Services and workflows of an application raise whatever they like; these classes are
for what the engine itself refuses.
"""

from typing import ClassVar


class EuryaleError(Exception):
    """What the engine refuses; caught at the edges and printed as a sentence.

    Args:
        what: What happened, with the offending name, as a sentence without its full stop.
        where: The file and line, the field or the name that it is about; may be empty.
        mend: What to do about it, as a sentence without its full stop; may be empty.

    Example:
        >>> str(JobUnknown("no job is named 'publsh'", mend="did you mean 'publish'?"))
        "no job is named 'publsh'. Did you mean 'publish'? [EUR110]"
    """

    code: ClassVar[str] = "EUR000"

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(what)

    def __str__(self) -> str:
        """The whole message in one line: where, what, how to mend it, and the code."""
        place = f"{self.where}: " if self.where else ""
        return (
            f"{place}{_sentence(self.what, capital=False)} {_sentence(self.mend)} ".replace(
                "  ", " "
            ).rstrip()
            + f" [{self.code}]"
        )

    def as_dict(self) -> dict[str, str]:
        """The same in parts, for `-o json`."""
        return {"code": self.code, "where": self.where, "what": self.what, "mend": self.mend}


def _sentence(text: str, *, capital: bool = True) -> str:
    text = text.strip()
    if not text:
        return ""
    if capital:
        text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


# --- 1xx: job files ------------------------------------------------------------------------


class JobSyntaxInvalid(EuryaleError):
    """A job file is not Python."""

    code = "EUR101"


class JobImportFailed(EuryaleError):
    """A job file raised while it was imported."""

    code = "EUR102"


class ConfigMissing(EuryaleError):
    """A job file has no `config`."""

    code = "EUR103"


class HandlerMissing(EuryaleError):
    """A job file has no `handler`."""

    code = "EUR104"


class HandlerInvalid(EuryaleError):
    """A handler is not an async function, or names a parameter that the engine doesn't know."""

    code = "EUR105"


class ConfigInvalid(EuryaleError):
    """A job's `config` has an unknown key or a value that its field refuses."""

    code = "EUR106"


class ScheduleInvalid(EuryaleError):
    """A cron expression or time zone that means nothing, or not what it seems to mean."""

    code = "EUR107"


class JobNameTaken(EuryaleError):
    """Two job files of one source bear the same name."""

    code = "EUR108"


class HandlerNotDurable(EuryaleError):
    """A handler does I/O, blocks, or asks the machine for time or randomness."""

    code = "EUR109"


class JobUnknown(EuryaleError):
    """No job bears that name."""

    code = "EUR110"


class DataInvalid(EuryaleError):
    """A run's data is not what its handler declares."""

    code = "EUR111"


class JobsFolderMissing(EuryaleError):
    """The folder that should hold the job files is not there."""

    code = "EUR112"


class JobUnreadable(EuryaleError):
    """A job file or folder could not be read, or a file is not UTF-8."""

    code = "EUR113"


class NothingMatches(EuryaleError):
    """A pattern matches no job, or no schedule is held that a command could change."""

    code = "EUR114"


class ExpectationInvalid(EuryaleError):
    """A job's `expect` is in words that mean nothing."""

    code = "EUR115"


# --- 2xx: the application and its container --------------------------------------------------


class AppNotFound(EuryaleError):
    """The application that `pyproject.toml` or `--app` names could not be loaded."""

    code = "EUR201"


class ServiceUnknown(EuryaleError):
    """A container was asked for a service that the application doesn't have."""

    code = "EUR202"


class ServiceInvalid(EuryaleError):
    """A service or provider is declared in a way that the engine can't use."""

    code = "EUR203"


class ServiceUnavailable(EuryaleError):
    """A service could not be made, or its health check failed."""

    code = "EUR204"


class PluginInvalid(EuryaleError):
    """A plugin that the application names is not installed, fails to be imported, or is none."""

    code = "EUR205"


class PluginOptionsInvalid(EuryaleError):
    """The options that the application gives to a plugin are not what it or a handler declares."""

    code = "EUR206"


class PluginNameTaken(EuryaleError):
    """Two plugins bear one name, or hold a job, service, workflow or activity of one name."""

    code = "EUR207"


class WatchdogInvalid(EuryaleError):
    """The watchdog, or one of its hooks, is declared in a way that the engine can't use."""

    code = "EUR208"


# --- 3xx: calls and runs ----------------------------------------------------------------------


class MethodUnknown(EuryaleError):
    """A handler called a method that its service doesn't have."""

    code = "EUR301"


class ArgumentsInvalid(EuryaleError):
    """A call's arguments don't fit the method's own annotations."""

    code = "EUR302"


class PayloadTooLarge(EuryaleError):
    """An argument or a result is over what Temporal carries in one payload."""

    code = "EUR303"


class HistoryTooLong(EuryaleError):
    """A run nears the number of events or bytes at which Temporal terminates it."""

    code = "EUR304"


class HandlerBlocked(EuryaleError):
    """A handler kept its thread without awaiting anything, again and again."""

    code = "EUR305"


class RunTimedOut(EuryaleError):
    """A run took longer than its job's `timeout`."""

    code = "EUR306"


class JobNotServed(EuryaleError):
    """A worker was given a run of a job that it doesn't have, or whose file is broken."""

    code = "EUR307"


class RunUnknown(EuryaleError):
    """No run of the application bears that id."""

    code = "EUR308"


class RunUnderWay(EuryaleError):
    """A run of the job is under way, and its overlap policy is to skip another one."""

    code = "EUR309"


class UndoRefused(EuryaleError):
    """A run can't be taken back as it was asked for."""

    code = "EUR310"


class RehearsalBlind(EuryaleError):
    """A rehearsal needs what only a mutation, which it doesn't carry out, would tell."""

    code = "EUR311"


class StepUnknown(EuryaleError):
    """A rehearsal was to fail at a step that the application doesn't have."""

    code = "EUR312"


class SweepInvalid(EuryaleError):
    """A sweep is declared or called in a way that the engine can't use."""

    code = "EUR313"


class SweepKeyInvalid(EuryaleError):
    """The key that a sweep goes along doesn't tell the rows apart, is NULL, or can't travel."""

    code = "EUR314"


class SweepStopped(EuryaleError):
    """The step of a sweep fails for so many rows that it isn't single rows that are wrong."""

    code = "EUR315"


class RowsSetAside(EuryaleError):
    """A sweep is done, save rows that were set aside since its step failed for them."""

    code = "EUR316"


class NoSweepUnderWay(EuryaleError):
    """A run whose sweeps were to be paused or resumed has none under way."""

    code = "EUR317"


# --- 4xx: Temporal ----------------------------------------------------------------------------


class TemporalUnreachable(EuryaleError):
    """Nothing that speaks Temporal answers at the configured address."""

    code = "EUR401"


class NamespaceUnknown(EuryaleError):
    """The Temporal server doesn't have the configured namespace."""

    code = "EUR402"


class TemporalRefused(EuryaleError):
    """The Temporal server answered with a refusal: permission, quota, or an invalid request."""

    code = "EUR403"


class PortTaken(EuryaleError):
    """Something that is no Temporal server listens where one was to be started."""

    code = "EUR404"


class ServerNotStarted(EuryaleError):
    """Temporal's dev server could not be started."""

    code = "EUR405"


class ConnectionSettingsInvalid(EuryaleError):
    """Temporal's own settings (`TEMPORAL_*`, `temporal.toml`, an address) can't be used."""

    code = "EUR406"


class ReleaseInvalid(EuryaleError):
    """A release's name or sequence can't be one, or the sequence is another release's."""

    code = "EUR407"


class ReleaseSuperseded(EuryaleError):
    """A newer release of the application was applied, which this one must not overwrite."""

    code = "EUR408"


class PruneRefused(EuryaleError):
    """Schedules would be removed without anybody having agreed to it."""

    code = "EUR409"


class BackfillUnderWay(EuryaleError):
    """Runs of the job wait already, which may be of the firings that were to be backfilled."""

    code = "EUR410"


# --- 5xx: what is imported from other schedulers ------------------------------------------------


class ImportUnreadable(EuryaleError):
    """A file can't be read as what another scheduler's jobs are said to be in."""

    code = "EUR501"


class JobFileNotWritten(EuryaleError):
    """A job file that was to be written is there already, or can't be written."""

    code = "EUR502"
