"""The supervisor brings back what dies, lets one stack run per home, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.child import Child, ServerFailed
from demo.postgres import clear_outside
from demo.supervisor import Supervisor, down, listening, says
from tests.support.processes import processes_in, wait_until

REPOSITORY = Path(__file__).parents[3]


@dataclass
class Stack:
    home: Path
    process: subprocess.Popen[str]
    web: int
    port: int
    said: list[str]


@pytest.fixture
def start_stack(home: Path) -> Iterator[Callable[[], Stack]]:
    stacks: list[Stack] = []

    def start() -> Stack:
        process = launch(home)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("{"):
                facts = json.loads(line)
                stacks.append(Stack(home, process, facts["web"], facts["port"], said))
                return stacks[-1]
        raise AssertionError(f"the stack ended: {''.join(said)}")

    yield start
    for stack in stacks:
        stack.process.kill()
        stack.process.wait()
        assert stack.process.stdout is not None
        stack.process.stdout.close()
    wait_until(lambda: not processes_in(home))


def launch(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.servers.stack_program"],
        cwd=REPOSITORY,
        env={**os.environ, "CUSTODY_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_leaves_no_process_behind(start_stack: Callable[[], Stack], how: signal.Signals) -> None:
    stack = start_stack()
    assert len(processes_in(stack.home)) >= 4
    stack.process.send_signal(how)
    stack.process.wait(30)
    wait_until(lambda: not processes_in(stack.home))
    assert not listening(stack.port)()


def test_starts_again_on_what_a_killed_one_left(start_stack: Callable[[], Stack]) -> None:
    first = start_stack()
    first.process.kill()
    first.process.wait()
    second = start_stack()
    assert second.process.poll() is None


def test_says_which_parts_are_up_and_how_long_each_took(start_stack: Callable[[], Stack]) -> None:
    stack = start_stack()
    said = "".join(stack.said)
    for name in ("postgres", "broker", "bitcoind", "web"):
        assert re.search(rf"^ {{10}}{name} is up(?: on port \d+)?, \d+\.\d s$", said, re.MULTILINE), said
    assert f"web is up on port {stack.port}" in said


def test_brings_back_a_process_that_was_killed(start_stack: Callable[[], Stack]) -> None:
    stack = start_stack()
    assert stack.process.stdout is not None
    os.kill(stack.web, signal.SIGKILL)
    assert stack.process.stdout.readline().strip() == "web was killed by SIGKILL; started again"
    wait_until(listening(stack.port))


def test_refuses_a_second_stack_in_the_same_home(start_stack: Callable[[], Stack]) -> None:
    first = start_stack()
    second = launch(first.home)
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 2
    assert out == f"error: home: already running as process {first.process.pid}; make down stops it\n"
    assert first.process.poll() is None


def test_two_homes_run_side_by_side(start_stack: Callable[[], Stack], home: Path) -> None:
    first = start_stack()
    second = launch(home / "second")
    assert second.stdout is not None
    line = next(line for line in second.stdout if line.startswith("{"))
    assert json.loads(line)["port"] != first.port
    assert down(home / "second").startswith(f"stopped process {second.pid}")
    second.communicate(timeout=30)
    assert first.process.poll() is None
    assert listening(first.port)()


def test_down_stops_it_and_then_has_nothing_to_stop(start_stack: Callable[[], Stack]) -> None:
    stack = start_stack()
    assert down(stack.home) == f"stopped process {stack.process.pid} and everything it ran"
    # 0 from inside the wait, 143 when the signal came just before it.
    assert stack.process.wait(10) in (0, 128 + signal.SIGTERM)
    assert not processes_in(stack.home)
    assert down(stack.home) == "nothing is running"


def test_down_never_signals_a_stranger_with_an_old_process_id(home: Path) -> None:
    (home / "supervisor.lock").touch()
    (home / "supervisor.pid").write_text(str(os.getpid()))
    assert down(home) == "nothing is running"


def test_leaves_alone_what_keeps_ending(home: Path) -> None:
    said: list[str] = []
    with Supervisor(home, say=said.append) as supervisor:
        argv = ["/bin/sh", "-c", "echo ready; sleep 0.1"]
        supervisor.start(supervisor.service("flaky", argv, is_ready=says(home / "logs" / "flaky.log", "ready")))
        wait_until(lambda: "keeps ending" in said[-1])
        assert supervisor.restarts["flaky"] == 5


def test_a_part_that_cannot_start_is_named_with_its_last_words(home: Path) -> None:
    with Supervisor(home) as supervisor:
        service = supervisor.service(
            "broken", ["/bin/sh", "-c", "echo first; echo no such thing; exit 3"], is_ready=lambda: False
        )
        with pytest.raises(ServerFailed, match="broken: ended with 3: no such thing"):
            supervisor.start(service)


def test_stopping_ends_a_program_that_will_not_listen_and_what_it_started(home: Path) -> None:
    program = "trap '' TERM; sleep 600 & echo up; wait; sleep 600"
    child = Child("deaf", ["/bin/sh", "-c", program], log=home / "log", cwd=home)
    is_up = says(home / "log", "up")
    child.start()
    child.await_ready(is_up)
    assert len(processes_in(home)) == 2
    child.stop(patience=0.2)
    wait_until(lambda: not processes_in(home))


def test_what_is_for_afterwards_is_done_when_everything_is_stopped_and_long_work_ends(home: Path) -> None:
    told: list[str] = []
    with Supervisor(home) as supervisor:
        service = supervisor.service("idle", ["/bin/sleep", "600"], is_ready=lambda: True)
        supervisor.start(service, called="what idles is up")
        supervisor.afterwards(lambda: told.append("running" if service.is_running() else "stopped"))
        supervisor.expect_going()
        assert told == []
    assert told == ["stopped"]
    with pytest.raises(ServerFailed, match="everything is being stopped"):
        supervisor.expect_going()


def test_what_postgres_keeps_elsewhere_is_cleared_and_what_it_keeps_here_stays(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data").touch()
    (home / "postgres").symlink_to(elsewhere)
    clear_outside(home)
    assert not elsewhere.exists()
    assert not (home / "postgres").is_symlink()
    (home / "postgres").mkdir()
    clear_outside(home)
    assert (home / "postgres").is_dir()
