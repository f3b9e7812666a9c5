"""All tests, on SQLite and on PostgreSQL, with a Redis for those that ask for one."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import services  # noqa: E402 -- only now can it be found

DATABASES = ["sqlite", "postgres"]
# Side by side: one for each core, within what one PostgreSQL has connections for.
WORKERS = min(os.cpu_count() or 1, 4)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Whatever else is given goes to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--db", choices=[*DATABASES, "both"], default="both")
    options, for_pytest = parser.parse_known_args(arguments)
    databases = DATABASES if options.db == "both" else [options.db]

    # Whoever ends us with a signal still gets the servers stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    verdicts = dict.fromkeys(databases, "not run")
    try:
        with services.redis() as redis_url:
            for database in databases:
                verdicts[database] = "failed"
                if _passes(database, for_pytest, redis_url=redis_url):
                    verdicts[database] = "passed"
    except services.ServiceError as problem:
        print(problem, file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130

    sys.stderr.flush()
    for database, verdict in verdicts.items():
        print(f"{database}: {verdict}")
    return 0 if set(verdicts.values()) == {"passed"} else 1


def _passes(database: str, for_pytest: list[str], *, redis_url: str) -> bool:
    with ExitStack() as stack:
        # Nobody's own data, servers or settings: a folder and databases of this run.
        environment = os.environ | {
            "BOOKBAG_DATA": stack.enter_context(tempfile.TemporaryDirectory()),
            "DATABASE_URL": "",
            "TEST_REDIS_URL": redis_url,
        }
        environment.pop("REDIS_URL", None)
        if database == "postgres":
            environment["DATABASE_URL"] = stack.enter_context(services.postgres())

        print(f"\nThe tests on {database}:", flush=True)
        # Who is done takes work from the other: the slow tests stand side by side.
        parallel = ["-n", str(WORKERS), "--dist", "worksteal"]
        command = [sys.executable, "-m", "pytest", *parallel, *for_pytest]
        return _exit_code(command, environment) == 0


def _exit_code(command: list[str], environment: dict[str, str]) -> int:
    pytest = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        return pytest.wait()
    except KeyboardInterrupt:
        pytest.wait()  # it heard the same Ctrl-C, and closes with a report
        raise
    finally:
        if pytest.poll() is None:
            pytest.terminate()
            pytest.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
