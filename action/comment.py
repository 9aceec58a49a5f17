"""Says on a pull request what the scan found: a comment on each file of it that is not inert, and one comment for all other files.
Comments of earlier runs are known by a mark that nobody sees: they are changed, never repeated, and say so when nothing is found
any more. That it may not comment (a fork's token) or cannot is a warning: the verdict is the answer, not the comment.

In the environment: HOLDALL_REPORT (of scan.py), HOLDALL_CATEGORY, HOLDALL_TOKEN, and the runner's GITHUB_API_URL,
GITHUB_REPOSITORY, GITHUB_EVENT_PATH.
"""

import hashlib
import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

from findings import by_file, code, command, place, plain, prose, table

PER_PAGE = 100
MOST_PAGES = 50
MOST_COMMENTS = 30  # on files, from one run; the others go into the common one
MOST_FINDINGS = 20  # in one comment
MOST_ROWS = 100
SECONDS = 30


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to one host alone."""

    def redirect_request(self, *_):
        return None


class GitHub:
    """The REST calls of one repository."""

    def __init__(self, api, repository, token):
        self.api = api.rstrip("/")
        self.repository = repository
        self.token = token
        self.opener = urllib.request.build_opener(NoRedirects)

    def call(self, method, path, content=None):
        request = urllib.request.Request(
            self.api + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "holdall",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        with self.opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)

    def within(self, method, path, content=None):
        return self.call(method, f"/repos/{self.repository}{path}", content)

    def all(self, path):
        found = []
        for page in range(1, MOST_PAGES + 1):
            entries = self.within("GET", f"{path}?per_page={PER_PAGE}&page={page}")
            found += entries
            if len(entries) < PER_PAGE:
                break
        return found

    def own_login(self):
        """Of whoever the token is; None for the token of a workflow, which may not ask."""
        try:
            return self.call("GET", "/user")["login"]
        except urllib.error.HTTPError:
            return None


def mark_of(category, path):
    """The first line of a comment. `path` is None in the one for all other files."""
    words = [category] if path is None else [category, path]
    digests = (hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:20] for word in words)
    return f"<!-- holdall-scan {' '.join(digests)} -->"


def about_file(file):
    lines = [f"**holdall scan: {file.verdict}**", ""]
    for finding in file.findings[:MOST_FINDINGS]:
        lines += [f"- {finding['severity']}, {code(finding['rule'])} at {code(place(finding))}:  ", f"  {code(finding['what'])}"]
    if len(file.findings) > MOST_FINDINGS:
        lines.append(f"- … and {len(file.findings) - MOST_FINDINGS} more")
    for remedy in dict.fromkeys(finding["remedy"] for finding in file.findings[:MOST_FINDINGS]):
        lines += ["", prose(remedy)]
    return "\n".join(lines)


def about_others(files):
    return "\n".join(["**holdall scan**: files without a comment of their own", "", *table(files, MOST_ROWS, 200)])


NOTHING = "**holdall scan**: nothing is found here any more."


class Conversation:
    """The comments of earlier runs on one pull request, and what becomes of them. Only what this token's owner wrote is changed:
    anybody can write a mark."""

    def __init__(self, github, number, commit, category):
        self.github = github
        self.number = number
        self.commit = commit
        self.category = category
        self.made = 0
        login = github.own_login()

        def own(comment):
            user = comment.get("user") or {}
            return user.get("login") == login if login else user.get("type") == "Bot"

        def earlier(path):
            marked = {}
            for comment in github.all(path):
                mark = (comment.get("body") or "").split("\n", 1)[0].strip()
                if mark.startswith(mark_of(category, None).removesuffix(" -->")) and own(comment):
                    marked.setdefault(mark, comment)
            return marked

        self.on_files = earlier(f"/pulls/{number}/comments")
        self.common = earlier(f"/issues/{number}/comments")

    def change(self, place, comment, body):
        if comment["body"].replace("\r\n", "\n").strip() != body.strip():
            self.github.within("PATCH", f"/{place}/comments/{comment['id']}", {"body": body})

    def say_on_file(self, file, changed):
        """Whether it was said: a comment of an earlier run is changed; a new one is made on a file that the request changes, of
        which GitHub refuses those that are too large for it to show."""
        mark = mark_of(self.category, file.path)
        body = f"{mark}\n{about_file(file)}"
        if comment := self.on_files.pop(mark, None):
            self.change("pulls", comment, body)
            return True
        if file.path not in changed or self.made == MOST_COMMENTS:
            return False
        content = {"body": body, "commit_id": self.commit, "path": file.path, "subject_type": "file"}
        try:
            self.github.within("POST", f"/pulls/{self.number}/comments", content)
        except urllib.error.HTTPError as error:
            if error.code == 422:
                return False
            raise
        self.made += 1
        return True

    def say_in_common(self, files):
        mark = mark_of(self.category, None)
        comment = self.common.pop(mark, None)
        if comment:
            self.change("issues", comment, f"{mark}\n{about_others(files) if files else NOTHING}")
        elif files:
            self.github.within("POST", f"/issues/{self.number}/comments", {"body": f"{mark}\n{about_others(files)}"})

    def close_the_rest(self):
        for mark, comment in self.on_files.items():
            self.change("pulls", comment, f"{mark}\n{NOTHING}")


def main():
    event = json.loads(pathlib.Path(os.environ["GITHUB_EVENT_PATH"]).read_text())
    request = event.get("pull_request")
    if not request:
        print("not a pull request: no comments")
        return
    files = by_file(json.loads(pathlib.Path(os.environ["HOLDALL_REPORT"]).read_text()))
    github = GitHub(os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"], os.environ["HOLDALL_TOKEN"])
    number = int(request["number"])
    changed = {entry["filename"] for entry in github.all(f"/pulls/{number}/files") if entry["status"] != "removed"}
    conversation = Conversation(github, number, request["head"]["sha"], os.environ["HOLDALL_CATEGORY"])
    others = [file for file in files if not conversation.say_on_file(file, changed)]
    conversation.say_in_common(others)
    conversation.close_the_rest()
    print(f"{len(files) - len(others)} files with a comment, {len(others)} in the common one")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        main()
    except urllib.error.HTTPError as error:
        reason = "is there 'pull-requests: write', and is it no fork?" if error.code in (401, 403, 404) else plain(str(error.reason))
        print(command("warning", f"no comments: GitHub answers {error.code}: {reason}", title="holdall scan"))
    except (OSError, ValueError) as error:
        print(command("warning", plain(f"no comments: {error}"), title="holdall scan"))
