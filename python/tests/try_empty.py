"""What a wheel does in an environment that has nothing else: run by run.sh."""

import pickle
import sys

import holdall

with open("a.pkl", "wb") as file:
    pickle.dump({"epoch": 3, "values": [1.5, "x", b"y", (None, True)]}, file)
model = holdall.open("a.pkl")
assert model.format == "pickle" and model.verdict == "inert" and model.tree["epoch"] == 3
assert holdall.load("a.pkl") == {"epoch": 3, "values": [1.5, "x", b"y", (None, True)]}
holdall.save({"lr": 0.1, "steps": [1, 2]}, "b.safetensors", metadata={"by": "me"})
assert holdall.load("b.safetensors") == {"lr": 0.1, "steps": [1, 2]} and holdall.open("b.safetensors").metadata == {"by": "me"}
assert holdall.convert("b.safetensors", "b.pt")["written"] and holdall.verify("b.pt")["sound"]
try:
    holdall.load("b.pt", framework="torch")
except ImportError as error:
    assert "torch" in str(error)
else:
    raise AssertionError("there is no torch here")
assert not holdall.diff("a.pkl", "b.pt", html="d.html")["same"]
with open("d.html") as file:
    assert file.read(15) == "<!doctype html>"
assert "numpy" not in sys.modules
