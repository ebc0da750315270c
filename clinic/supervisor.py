"""What `make run` does: one process that owns everything else, in the foreground.

It starts PostgreSQL and Valkey (unless there are URLs of real ones), brings the database up to date, starts web, worker
and beat, starts again what dies, and ends them in the order that loses nothing: beat, worker, web, Valkey, PostgreSQL.
If it is killed itself, the kernel asks its children to end, and they end theirs.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from types import FrameType
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection, connections
from django.db.migrations.exceptions import InconsistentMigrationHistory, MigrationSchemaMissing, NodeNotFoundError

from clinic import embedded

OUR_APPS = ("clinic", "patients", "scheduling")
OLDEST_POSTGRES = 15
INSUFFICIENT_PRIVILEGE = "42501"  # PostgreSQL's SQLSTATE
DEATHS_ALLOWED, DEATHS_COUNTED_FOR = 6, 300.0  # seconds
TOO_OLD = (
    "{data} was made by an older version whose database cannot be brought up to date.\n"
    "Until the first release there is no way across: `make reset` throws it away, with everything in it."
)
NO_OWNER = "the user of DATABASE_URL may not make tables and extensions there ({error}): let it own the database"

Say = Callable[[str], None]


class CannotRun(Exception):
    """The service cannot be started, or go on; the text says why, and what to do."""


class StopAsked(BaseException):
    """Somebody pressed Ctrl-C, or a service manager asked us to end, while things were still being prepared."""


class Signals:
    """Turns a request to stop into an exception while preparing, and into a flag while running or ending."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupting = True

    def listen(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self._heard)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first and self.interrupting:
            raise StopAsked


@dataclass
class Child:
    """A program of ours that is started, watched, and started again when it dies by itself."""

    name: str
    command: list[str]
    variables: dict[str, str]
    stop_seconds: float
    pass_fds: tuple[int, ...]
    process: Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0

    @property
    def log(self) -> Path:
        return Path(settings.DATA_DIR) / "log" / f"{self.name}.log"

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = embedded.spawn(
                self.command,
                output,
                os.environ | self.variables,
                signal.SIGTERM,
                cwd=settings.BASE_DIR,
                pass_fds=self.pass_fds,
            )

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_next_start(self, now: float) -> float:
        """Count a death, and return the seconds until the next start: 1, 2, 4 ... 30."""
        self.deaths = [at for at in self.deaths if now - at < DEATHS_COUNTED_FOR] + [now]
        pause = min(2.0 ** (len(self.deaths) - 1), 30.0)
        self.start_at = now + pause
        return pause

    def stop(self) -> None:
        if self.process:
            embedded.stop(self.process, signal.SIGTERM, self.stop_seconds, then=signal.SIGKILL)


def run(say: Say) -> int:
    """Run the service until it is asked to stop. Return 0, or 1 when it could not start or go on, having said why."""
    signals = Signals()
    signals.listen()
    try:
        with contextlib.ExitStack() as owned:
            try:
                _run(say, signals, owned)
            finally:
                signals.interrupting = False  # a second Ctrl-C must not interrupt the orderly end
    except StopAsked:
        say("stopped before everything was up")
    except (CannotRun, embedded.CannotServe) as refusal:
        say(f"cannot run: {refusal}")
        return 1
    say("stopped; the data is kept")
    return 0


def _run(say: Say, signals: Signals, owned: contextlib.ExitStack) -> None:
    data_dir = Path(settings.DATA_DIR)
    prepare_data_directory(data_dir)
    family = owned.enter_context(only_one(data_dir, say))
    refuse_taken_port(settings.BIND, settings.PORT)
    keep_secret_key(data_dir)
    servers = start_servers(data_dir, family, owned)
    refuse_dead_broker()
    bring_database_up_to_date(data_dir)
    is_first_start = fill_empty_database(say)
    signals.interrupting = False  # from here on a request to stop is looked at between two steps
    children = [_web(family), _worker(family), _beat(family)]
    try:
        for child in children:
            child.start()
        wait_for_web(children[0], signals)
        if not signals.asked:
            for line in welcome(is_first_start=is_first_start):
                say(line)
        watch(children, servers, signals, say)
    finally:
        say("stopping ...")
        for child in reversed(children):
            child.stop()


# --- before anything is started ---------------------------------------------------------------------------------------


def prepare_data_directory(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("log", "mail"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
        probe = data_dir / ".probe"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise CannotRun(
            f"the data directory {data_dir} cannot be written ({error.strerror}): "
            "choose another with DATA_DIR=/path/to/a/directory make run"
        ) from None


@contextlib.contextmanager
def only_one(data_dir: Path, say: Say) -> Iterator[int]:
    """Own the data directory, and give a file descriptor that every process of this run inherits.

    Two locks, because two things can be in the way: a run that is alive (refused at once), and what a killed run left
    behind, which the kernel has already asked to end (waited for).
    """
    try:
        with embedded.locked(data_dir / "owner.lock"):
            family = data_dir / "family.lock"
            if not _is_free(family):
                say("waiting for what is left of the previous run to end ...")
            with embedded.locked(family, wait_seconds=90) as descriptor:
                yield descriptor
    except embedded.AlreadyOwned as lock:
        if str(lock).endswith("owner.lock"):
            raise CannotRun(f"it is already running on {data_dir}: use that one, or stop it first") from None
        raise CannotRun(
            f"processes of a previous run still use {data_dir} and do not end: `fuser -v {lock}` names them"
        ) from None


def _is_free(lock: Path) -> bool:
    with contextlib.suppress(embedded.AlreadyOwned), embedded.locked(lock):
        return True
    return False


def refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, PermissionError):
                raise CannotRun(f"port {port} needs more rights: choose one above 1023, PORT=8001 make run") from None
            other = port + 1 if port < 65535 else 8001
            raise CannotRun(
                f"port {port} is in use by another program: stop it or choose another with PORT={other} make run"
            ) from None


def keep_secret_key(data_dir: Path) -> None:
    """Make the key once, so that sessions and links outlive a restart. SECRET_KEY, where it is set, wins over it."""
    with contextlib.suppress(FileExistsError):
        made = os.open(embedded.secret_key_file(data_dir), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as file:
            file.write(secrets.token_urlsafe(64))


# --- the database -----------------------------------------------------------------------------------------------------


def start_servers(data_dir: Path, family: int, owned: contextlib.ExitStack) -> list[embedded.Server]:
    """Start what is not given by a URL; they end after everything else, PostgreSQL last."""
    servers = []
    if settings.EMBEDDED_DATABASE:
        servers.append(owned.enter_context(embedded.postgres(data_dir, pass_fds=(family,))))
    if settings.EMBEDDED_BROKER:
        servers.append(owned.enter_context(embedded.valkey(data_dir, pass_fds=(family,))))
    return servers


def refuse_dead_broker() -> None:
    """A broker of one's own that is not there now is a mistake in REDIS_URL; one that goes away later is waited for."""
    if settings.EMBEDDED_BROKER:
        return
    try:
        broker_policy()
    except (redis.RedisError, ValueError) as error:
        raise CannotRun(f"the broker cannot be used: {' '.join(str(error).split())}; see REDIS_URL") from None


def broker_policy() -> str:
    """Return what the broker does when its memory is full, asking it."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5) as client:
        return str(client.info("memory").get("maxmemory_policy", "noeviction"))


def bring_database_up_to_date(data_dir: Path) -> None:
    """Migrate, or refuse a database that came from migrations which have been rewritten since."""
    memory = data_dir / "migrations.json"
    if settings.EMBEDDED_DATABASE:
        _refuse_rewritten_migrations(memory, data_dir)
    try:
        refuse_old_server()
        with Path(data_dir / "log" / "migrate.log").open("a") as log:
            call_command("migrate", interactive=False, verbosity=1, stdout=log, stderr=log)
    except InconsistentMigrationHistory:
        raise CannotRun(TOO_OLD.format(data=data_dir)) from None
    except NodeNotFoundError as error:
        raise CannotRun(f"the migrations do not fit together: {error}") from None
    except OperationalError as error:
        raise CannotRun(f"the database cannot be used: {' '.join(str(error).split())}") from None
    except MigrationSchemaMissing as error:
        raise CannotRun(NO_OWNER.format(error=_first_line(error.__context__ or error))) from None
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", "") != INSUFFICIENT_PRIVILEGE:
            raise
        raise CannotRun(NO_OWNER.format(error=_first_line(error))) from None
    if settings.EMBEDDED_DATABASE:
        memory.write_text(json.dumps(fingerprints(), indent=1))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def refuse_old_server() -> None:
    version = server_version() // 10000
    if version < OLDEST_POSTGRES:
        raise CannotRun(f"the database is PostgreSQL {version}: {OLDEST_POSTGRES} or newer is needed")


def server_version() -> int:
    """Return the server's version as PostgreSQL counts it (180006), connecting where need be."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("show server_version_num")
        return int(cursor.fetchone()[0])


def fingerprints() -> dict[str, str]:
    """Return what each of our migrations says, by name: comments and layout do not count."""
    found = {}
    for label in OUR_APPS:
        for file in sorted((Path(apps.get_app_config(label).path) / "migrations").glob("[0-9]*.py")):
            meaning = ast.dump(ast.parse(file.read_text()))
            found[f"{label}.{file.stem}"] = hashlib.sha256(meaning.encode()).hexdigest()[:16]
    return found


def _refuse_rewritten_migrations(memory: Path, data_dir: Path) -> None:
    try:
        applied: dict[str, str] = json.loads(memory.read_text())
    except (OSError, ValueError):
        return
    now = fingerprints()
    if any(now.get(name) != fingerprint for name, fingerprint in applied.items()):
        raise CannotRun(TOO_OLD.format(data=data_dir))


def fill_empty_database(say: Say) -> bool:
    """Load the demo clinic once, or make sure that somebody can sign in. Return whether accounts were made just now.

    What the commands print is shown as it is: the password is in it, this once.
    """
    sys.stdout.flush()
    accounts = get_user_model().objects
    known = accounts.count()
    if settings.DEMO:
        if not known:
            say("loading the demo clinic (only this once) ...")
        call_command("demo", if_empty=True)
    else:
        call_command("first_admin")
    are_new = accounts.count() > known
    connections.close_all()
    return are_new


# --- the children -----------------------------------------------------------------------------------------------------


def _web(family: int) -> Child:
    bind = f"[{settings.BIND}]:{settings.PORT}" if ":" in settings.BIND else f"{settings.BIND}:{settings.PORT}"
    command = [sys.executable, "-m", "gunicorn", "clinic.wsgi", "--bind", bind, "--workers", "2", "--threads", "4"]
    command += ["--no-control-socket", "--graceful-timeout", "10", "--timeout", "60", "--error-logfile", "-"]
    # Method, path, status, milliseconds: no query, no referrer, no address of a patient.
    command += ["--logger-class", "clinic.logs.WebLogger", "--access-logfile", "-"]
    command += ["--access-logformat", "%(m)s %(U)s %(s)s %(M)s"]
    return Child("web", command, {"DB_POOL": "1"}, 15, (family,))


def _worker(family: int) -> Child:
    """Prefork and not threads: only a process can be ended at the hard time limit, or put back what it was doing."""
    command = [sys.executable, "-m", "celery", "-A", "clinic", "worker", "--pool", "prefork", "--concurrency", "2"]
    command += ["--without-gossip", "--without-mingle"]  # nothing here listens to other workers
    # Nor to their events; sending one to a broker that is gone keeps a worker from ever ending.
    command += ["--without-heartbeat"]
    variables = {
        "DB_POOL": "0",
        "BROKER_SOCKET_TIMEOUT_SECONDS": "30",
        "REMAP_SIGTERM": "SIGQUIT",  # SIGTERM waits for ever; SIGQUIT waits 8 s, then puts the task back
    }
    # It limits its end itself (clinic/worker.py), for nobody else does when we are gone; we insist after that.
    limit = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + settings.WORKER_END_SECONDS
    return Child("worker", command, variables, limit + 2, (family,))


def _beat(family: int) -> Child:
    """In memory: the schedule is fixed, and a file of last runs is one more thing to break."""
    command = [sys.executable, "-m", "celery", "-A", "clinic", "beat", "-S", "celery.beat:Scheduler", "--pidfile="]
    return Child("beat", command, {"DB_POOL": "0"}, 10, (family,))


def wait_for_web(web: Child, signals: Signals) -> None:
    """Wait until the sign-in page answers, so that the address we print works."""
    host = "127.0.0.1" if settings.BIND == "0.0.0.0" else settings.BIND  # noqa: S104 - compared, not bound
    end = time.monotonic() + 60
    while time.monotonic() < end and not signals.asked and not web.has_died():
        with contextlib.suppress(OSError, http.client.HTTPException):
            question = http.client.HTTPConnection(host, settings.PORT, timeout=5)
            # A host we are known by, and the proxy's word for https, or the answer is about that.
            question.request("GET", "/admin/login/", headers={"Host": "127.0.0.1", "X-Forwarded-Proto": "https"})
            if question.getresponse().status < 500:
                return
        time.sleep(0.1)
    if not signals.asked:
        raise CannotRun(f"the web server did not answer; why is in {web.log}")


def watch(children: list[Child], servers: list[embedded.Server], signals: Signals, say: Say) -> None:
    """Start again what dies, as reminders must go out; end when asked, or when going on makes no sense."""
    while not signals.asked:
        for server in servers:
            if server.process.poll() is not None:
                _revive(server, say)
        now = time.monotonic()
        for child in children:
            if child.has_died():
                _bury(child, now, say)
            elif child.process is None and now >= child.start_at:
                child.start()
        time.sleep(0.2)


def _revive(server: embedded.Server, say: Say) -> None:
    if server.name == "PostgreSQL":
        raise CannotRun(f"the database ended by itself; why is in {server.log}. Start again with `make run`")
    say(f"{server.name} ended by itself ({_told(server.process)}): starting it again; why is in {server.log}")
    server.start_again()


def _bury(child: Child, now: float, say: Say) -> None:
    process = child.process
    if process is None:
        return
    embedded.end_group(process)
    child.process = None
    pause = child.plan_next_start(now)
    if len(child.deaths) > DEATHS_ALLOWED:
        raise CannotRun(f"{child.name} keeps ending by itself ({_told(process)}); why is in {child.log}")
    say(f"{child.name} ended by itself ({_told(process)}): starting it again in {pause:.0f} s; why is in {child.log}")


def _told(process: Popen[Any]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


# --- what is said -----------------------------------------------------------------------------------------------------


def welcome(*, is_first_start: bool) -> list[str]:
    """Return the lines that tell where to go."""
    users = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk")
    email = users.values_list("email", flat=True).first() or "(nobody: run manage.py createsuperuser)"
    connections.close_all()
    host = "127.0.0.1" if settings.BIND in ("0.0.0.0", "::") else settings.BIND  # noqa: S104 - compared, not bound
    mail = (
        f"handed to {settings.MAIL_HOST}:{settings.MAIL_PORT}"
        if settings.MAIL_HOST
        else f"written to {settings.MAIL_DIR}/"
    )
    password = "the password stands above, this once" if is_first_start else "the password was shown at the first start"
    return [
        "",
        "Cadence is running.",
        f"  sign in   http://{host}:{settings.PORT}/ as {email}",
        f"            {password}; manage.py changepassword {email} sets another",
        f"  mail      is {mail}",
        *_data(Path(settings.DATA_DIR)),
        f"  logs      {settings.DATA_DIR}/log/",
        "  stop      Ctrl-C",
        "",
    ]


def _data(data_dir: Path) -> list[str]:
    """Return where what is kept between runs is kept; with one server of one's own, where the other runs, too."""
    here = f"{data_dir}/ (kept between runs; `make reset` throws it away)"
    if settings.EMBEDDED_DATABASE and settings.EMBEDDED_BROKER:
        return [f"  data      {here}"]
    database = settings.DATABASES["default"]
    place = f"“{database['NAME']}” on {database['HOST'] or 'this machine'}, of DATABASE_URL"
    return [
        f"  database  {here if settings.EMBEDDED_DATABASE else place}",
        f"  broker    {'started here, as REDIS_URL is not set' if settings.EMBEDDED_BROKER else 'of REDIS_URL'}",
    ]


def reset(data_dir: Path, say: Say) -> None:
    """Throw away what `run` made in a data directory that is not in use, and nothing else that may lie there."""
    if not data_dir.exists():
        say(f"nothing to throw away: there is no {data_dir}")
        return
    with only_one(data_dir, say):
        for name in ("pg", "pg.unfinished", "valkey", "log", "mail"):
            shutil.rmtree(data_dir / name, ignore_errors=True)
        for name in ("secret_key", "migrations.json"):
            (data_dir / name).unlink(missing_ok=True)
    for name in ("owner.lock", "family.lock"):
        (data_dir / name).unlink(missing_ok=True)
    say(f"thrown away: the database, the broker's data, mail and logs in {data_dir}")
