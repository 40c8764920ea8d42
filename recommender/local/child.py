"""Start a program that ends when its parent does. A script, with the standard library only:

python -I -S child.py --parent PID --signal INT|TERM|KILL [--user NAME [--reach PATH]...] -- PROGRAM [ARG]...

`--user`: become that user first. `--reach`: a path that this user must be able to enter, as the program's.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path
from typing import NoReturn

DAC_OVERRIDE, DAC_READ_SEARCH, SETPCAP = 1, 2, 8
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 1, 28, 47
PR_CAP_AMBIENT_RAISE = 2
NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def main() -> NoReturn:
    asked = _arguments()
    if asked.user:
        _become(pwd.getpwnam(asked.user), [asked.program[0], *asked.reach])
    # After the change of user: that clears it.
    _prctl(PR_SET_PDEATHSIG, signal.Signals[f"SIG{asked.signal}"])
    if os.getppid() != asked.parent:
        sys.exit("The parent ended before its child began.")
    os.execv(asked.program[0], asked.program)  # noqa: S606 - no shell is wanted


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", choices=["INT", "TERM", "KILL"], required=True)
    parser.add_argument("--user")
    parser.add_argument("--reach", action="append", default=[])
    parser.add_argument("program", nargs="+")
    return parser.parse_args()


def _become(user: pwd.struct_passwd, paths: list[str]) -> None:
    os.initgroups(user.pw_name, user.pw_gid)
    kept = _needed_capability(user, paths)
    if kept:
        # Else the kernel drops capabilities with the user id, and access(2), which initdb asks, ignores them.
        _prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if kept:
        _keep_only(kept)


def _needed_capability(user: pwd.struct_passwd, paths: list[str]) -> int:
    """0 when the user can enter everything by itself, else the one capability that passes closed folders."""
    closed = _first_closed(user, paths)
    if closed is None:
        return 0
    for capability in (DAC_READ_SEARCH, DAC_OVERRIDE):
        if _has(capability) and _has(SETPCAP):
            return capability
    sys.exit(
        f"{closed} is closed to the user {user.pw_name}, as whom Postgres runs when you are root: "
        f"run this as a normal user, put the project elsewhere, or open it with: chmod o+x '{closed}'"
    )


def _first_closed(user: pwd.struct_passwd, paths: list[str]) -> Path | None:
    os.setresgid(-1, user.pw_gid, -1)
    os.setresuid(-1, user.pw_uid, -1)
    try:
        for path in map(Path, paths):
            for place in [*reversed(path.parents), path]:
                if not os.access(place, os.X_OK, effective_ids=True):
                    return place
        return None
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def _has(capability: int) -> bool:
    status = Path("/proc/self/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in status if line.startswith(("CapPrm:", "CapBnd:"))]
    return all(mask >> capability & 1 for mask in masks)


def _keep_only(capability: int) -> None:
    """The capability, and no other, for this process and for what it executes."""
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(
        mask, mask, mask, 0, 0, 0
    )  # effective, permitted, inheritable; low, then high
    _check(ctypes.CDLL(None, use_errno=True).capset(header, sets))
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *values: int) -> None:
    longs = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, *longs))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
