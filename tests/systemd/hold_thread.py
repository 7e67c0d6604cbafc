"""Stops one thread of a process, and no other, until the process ends."""

import ctypes
import os
import sys

PTRACE_ATTACH = 16
WALL = 0x40000000  # threads of others, too

thread = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(PTRACE_ATTACH, thread, None, None) != 0:
    sys.exit(f"thread {thread} cannot be held: {os.strerror(ctypes.get_errno())}")
while True:
    _, status = os.waitpid(thread, WALL)
    if not os.WIFSTOPPED(status):
        break
