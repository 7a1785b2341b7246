"""A program as it runs on a system without POSIX: what Windows' Python lacks is taken away before fhenn is imported.

What fhenn is built on is imported before, as it has its own ways there. Windows itself is told by `sys.platform` and
`os.name`.
"""

from __future__ import annotations

import importlib
import signal
import socket
import sys
from types import ModuleType, SimpleNamespace

LIBRARIES = (
    "asyncio", "concurrent.futures", "ctypes", "http.client", "logging.config", "multiprocessing.connection",
    "pathlib", "secrets", "shutil", "sqlite3", "ssl", "subprocess", "tempfile", "urllib.request", "numpy",
    "tenseal", "click", "click.testing", "rich.console", "rich.progress", "rich.table", "httpx", "httpcore",
    "cryptography.hazmat.primitives", "safetensors.numpy", "scipy.stats", "sklearn.ensemble", "fastapi", "uvicorn",
    "prometheus_client", "matplotlib.pyplot", "pandas", "pyarrow", "onnx",
)  # fmt: skip
MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
OF_OS = (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "WNOHANG", "chown", "fchmod", "fchown", "fork",
    "getegid", "geteuid", "getgid", "getgrouplist", "getpgid", "getuid", "killpg", "lchown", "memfd_create",
    "mkfifo", "nice", "posix_fadvise", "pread", "preadv", "pwrite", "pwritev", "register_at_fork",
    "sched_getaffinity", "sendfile", "setsid", "statvfs", "sysconf", "uname", "waitid",
)  # fmt: skip
OF_SIGNAL = ("SIGALRM", "SIGBUS", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm")
OF_SOCKET = ("AF_UNIX", "SO_REUSEPORT", "fromfd")


def without(module: ModuleType, names: tuple[str, ...], **changed: object) -> ModuleType:
    """A copy of a module without some of its names."""
    copy = ModuleType(module.__name__)
    copy.__dict__.update({name: value for name, value in vars(module).items() if name not in names} | changed)
    return copy


def become() -> None:
    """Make this process such a one."""
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:  # of an extra that is not installed
            continue
    sys.modules.update(dict.fromkeys(MODULES))
    sys.modules["msvcrt"] = SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, LK_UNLCK=0, locking=lambda *arguments: None)
    sys.modules["os"] = without(sys.modules["os"], OF_OS, name="nt")
    sys.modules["signal"] = without(signal, OF_SIGNAL)
    sys.modules["socket"] = without(socket, OF_SOCKET)
    sys.platform = "win32"
