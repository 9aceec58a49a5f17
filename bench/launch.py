"""Starts a command from a process that is small itself, and prints what it took as JSON: seconds, resident (bytes, at most), status, output.

Usage: python3 -S -E launch.py COMMAND ARGUMENT…. A child counts the memory of the process that started it as its own until it has
started, so a large one would show its size instead of the command's.
"""

import os
import sys
import time


def main():
    reading, writing = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)]
    start = time.perf_counter()
    process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
    os.close(writing)
    output = b""
    while piece := os.read(reading, 1 << 16):
        output = (output + piece)[:100]
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    text = "".join(letter for letter in output.decode(errors="replace").split("\n")[0] if letter.isprintable() and letter not in '\\"')
    print('{"seconds": %.6f, "resident": %d, "status": %d, "output": "%s"}'
          % (seconds, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status), text))


main()
