"""GitHub as its Action sees it: a runner of composite actions, and a server of the few REST calls that comments take."""

import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Run:
    """What one run of the action left."""

    status: int  # of the step that failed; 0
    log: str
    outputs: dict
    summary: str
    used: list  # (action, its inputs) of other actions that would have run


class Runner:
    """Runs action.yml in a work tree: scripts by bash with the environment that they declare; of other actions only what they would
    be given is kept. Knows of expressions what that file uses."""

    def __init__(self, folder, workspace, environment=()):
        self.folder = folder
        self.workspace = workspace
        self.environment = dict(environment)
        self.action = yaml.safe_load((ROOT / "action.yml").read_text())

    def value(self, expression, inputs, steps):
        """Of an expression, as Python: names with dots become look-ups."""

        def look_up(match):
            first, *rest = match[0].split(".")
            found = {"inputs": inputs, "steps": steps, "github": {"token": "a-token"}, "runner": {"os": "Linux", "arch": "X64"}}[first]
            for name in rest:
                found = found.get(name, {}) if isinstance(found, dict) else {}
            return repr(found or "")

        python = re.sub(r"'[^']*'|\b(inputs|steps|github|runner)(\.[\w-]+)+", lambda match: match[0] if match[0][0] == "'" else look_up(match), expression)
        return eval(python.replace("&&", " and ").replace("||", " or "), {"__builtins__": {}})

    def filled(self, text, inputs, steps):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(self.value(match[1].strip(), inputs, steps)), str(text))

    def __call__(self, **given):
        inputs = {name: self.filled(row.get("default", ""), {}, {}) for name, row in self.action["inputs"].items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        assert inputs.keys() == self.action["inputs"].keys()
        self.folder.mkdir(exist_ok=True)
        summary = self.folder / "summary"
        summary.write_text("")
        steps, used, log, status = {}, [], "", 0
        for number, step in enumerate(self.action["runs"]["steps"]):
            if "if" in step and not self.value(step["if"], inputs, steps):
                continue
            if "uses" in step:
                used.append((step["uses"], {name: self.filled(value, inputs, steps) for name, value in step["with"].items()}))
                continue
            output = self.folder / f"output-{number}"
            output.write_text("")
            environment = {
                "PATH": os.environ["PATH"],
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_WORKSPACE": str(self.workspace),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "RUNNER_TEMP": str(self.folder),
                **self.environment,
                **{name: self.filled(value, inputs, steps) for name, value in step.get("env", {}).items()},
            }
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=self.workspace, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            )
            log += done.stdout.decode()
            lines = output.read_text().splitlines()
            steps[step.get("id", number)] = {"outputs": dict(line.split("=", 1) for line in lines)}
            if status := done.returncode:
                break
        outputs = {name: self.filled(row["value"], inputs, steps) for name, row in self.action["outputs"].items()}
        return Run(status, log, outputs, summary.read_text(), used)


class GitHub:
    """One pull request: its files, its comments. `log` has every call that changes something. `refuse` answers a call with a status."""

    def __init__(self, files, login=None):
        self.files = [{"filename": name, "status": "added"} for name in files]
        self.login = login  # None: the token is a workflow's, which may not ask who it is
        self.writes_as = {"login": login or "github-actions[bot]", "type": "User" if login else "Bot"}
        self.comments = {"pulls": [], "issues": []}
        self.log = []
        self.tokens = set()
        self.refuse = lambda method, path, content: None

    def answer(self, method, path, query, content):
        """(status, document)."""
        if status := self.refuse(method, path, content):
            return status, {"message": "no"}
        if method == "GET" and path == "/user":
            return (200, {"login": self.login}) if self.login else (403, {"message": "Resource not accessible by integration"})
        match = re.fullmatch(r"/repos/lab/models/(pulls|issues)/(?:(7)/(files|comments)|comments/(\d+))", path)
        if not match:
            return 404, {"message": "Not Found"}
        place, _, what, number = match.groups()
        if method == "GET" and what:
            rows = self.files if what == "files" else self.comments[place]
            size, page = int(query["per_page"]), int(query["page"])
            return 200, rows[size * (page - 1) : size * page]
        self.log.append((method, path, content))
        if method == "POST":
            if len(content["body"]) > 65536:
                return 422, {"message": "body is too long"}
            row = {**content, "id": 100 + len(self.log), "user": self.writes_as}
            self.comments[place].append(row)
            return 201, row
        for row in self.comments[place]:
            if method == "PATCH" and row["id"] == int(number):
                row.update(content)
                return 200, row
        return 404, {"message": "Not Found"}

    @contextlib.contextmanager
    def serve(self, folder):
        """Gives the environment of a runner that works on this pull request."""
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_call(self):
                address = urllib.parse.urlsplit(self.path)
                content = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
                service.tokens.add(self.headers["Authorization"])
                status, document = service.answer(self.command, address.path, dict(urllib.parse.parse_qsl(address.query)), content)
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = handle_call

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        event = folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "c0ffee"}}}))
        try:
            yield {
                "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
                "GITHUB_REPOSITORY": "lab/models",
                "GITHUB_EVENT_PATH": str(event),
            }
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
