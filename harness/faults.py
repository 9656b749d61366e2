"""Faults of the machine that the suite runs on, each in a line with its remedy.

A full disk or too little memory is no defect of the suite, wherever it strikes. Nothing but the
standard library is imported here, since an import may be what fails.
"""

from __future__ import annotations

import errno

SPACE = "free some space, or write elsewhere"
HANDLES = "too few file handles; raise the limit: ulimit -n 1024"
MEMORY = "not enough memory; free some, or raise the limit: ulimit -v unlimited"
PROCESSES = (
    "too many processes or threads, or too little memory for them; end some, or raise the limits: "
    "ulimit -u, ulimit -v"
)
LIMITS = {
    errno.EMFILE: HANDLES,
    errno.ENFILE: HANDLES,
    errno.ENOMEM: MEMORY,
    errno.EAGAIN: PROCESSES,
}
"""What a machine has not enough of, by the number of its error."""
_REMEDIES = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EACCES: "change its permissions, or name another",
    errno.EPERM: "change its permissions, or name another",
    errno.EROFS: "write elsewhere",
    errno.EISDIR: "put a file in its place, or name another",
    errno.ENOTDIR: "a part of the path is a file: put a folder in its place, or name another",
    errno.EEXIST: "remove it, or name another",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "remove the link that leads to itself",
}
_WORDS = {
    "too many open files": HANDLES,
    "cannot allocate memory": MEMORY,
    "failed to map segment": MEMORY,
    "memoryerror": MEMORY,
    "bad_alloc": MEMORY,
    "can't start new thread": PROCESSES,
    "resource temporarily unavailable": PROCESSES,
}
"""What libraries say of the same where they raise something else."""


limits_met: list[str] = []
"""What `fault` has found the process to lack; threads that could not start may keep it from ending.
"""


def fault(error: BaseException) -> str:
    """What is wrong with the machine, and the remedy; empty where the suite itself is at fault.

    >>> fault(OSError(errno.EISDIR, "Is a directory", "reports"))
    'reports: Is a directory; put a file in its place, or name another'
    >>> fault(MemoryError())[:17], fault(ValueError())
    ('not enough memory', '')
    """
    if limit := limit_of(error):
        limits_met.append(limit)
        return limit
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename is not None else ""
        remedy = _REMEDIES.get(error.errno, "check the disk and the path")
        return f"{place}{error.strerror}; {remedy}"
    return ""


def limit_of(error: BaseException) -> str:
    """What the machine has not enough of, and the remedy; empty where that is not the cause.

    Libraries raise other exceptions from such a one, so its causes are looked at too.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, MemoryError):
            return MEMORY
        if isinstance(cause, OSError) and cause.errno in LIMITS:
            return LIMITS[cause.errno]
        if isinstance(cause, ImportError | RuntimeError | SystemError | OSError) and (
            said := limit_in(str(cause))
        ):
            return said
        cause = cause.__cause__ or cause.__context__
    return ""


def limit_in(text: str) -> str:
    """The same of a text that tells of a limit, such as a worker's last words; otherwise empty."""
    lower = text.lower()
    return next((said for words, said in _WORDS.items() if words in lower), "")
