"""New processes that have their libraries at once: forked from one that has imported them and done nothing else.

``with Fresh("run_trainer") as fresh: codes, said = fresh.run({"kind": …}, ranks=2)`` runs ``run_trainer.main(…)`` in new processes.
"""

import importlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile


class Fresh:
    def __init__(self, module):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(pathlib.Path(__file__).parent), *sys.path]), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, module]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def run(self, run, ranks=1):
        """One process, or several with the variables that torchrun gives; ([how each ended: a status, or -signal], what all wrote to stderr)."""
        with socket.socket() as probe, tempfile.NamedTemporaryFile() as said:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            self.process.stdin.write(json.dumps([run, ranks, port, said.name]) + "\n")
            self.process.stdin.flush()
            codes = json.loads(self.process.stdout.readline())
            return codes, pathlib.Path(said.name).read_text(errors="replace")


def _forked(main, run, rank, ranks, port, said):
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        for number in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), number)
        if ranks > 1:
            variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_PORT": port}
            os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in variables.items()}})
        main(run)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def _serve(module):
    main = importlib.import_module(module).main
    for line in sys.stdin:
        run, ranks, port, said = json.loads(line)
        processes = [_forked(main, run, rank, ranks, port, said) for rank in range(ranks)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
