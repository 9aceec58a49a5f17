"""Sequential models of Keras 1 that begin with a Merge of several: graphs, in Keras 2's words."""

from __future__ import annotations

from typing import Any

from ..errors import CorruptError, UnsupportedError


def begins_with_merge(layers: Any) -> bool:
    """Whether the first of a Sequential model's layers is a Merge that has layers of its own."""
    first = layers[0] if isinstance(layers, list) and layers else None
    config = first.get("config") if isinstance(first, dict) else None
    return isinstance(config, dict) and isinstance(first, dict) and first.get("class_name") == "Merge" and bool(config.get("layers"))


def graph_of(layers: list[Any], name: str, path: str) -> dict[str, Any]:
    """The config of the model that the layers are, the branches' in front, each in the order in which the file lists their weights. Raises
    UnsupportedError for a branch that is no Sequential model."""
    graph = _Graph(path)
    last = graph.add_all(layers, None)
    return {"name": name, "layers": list(graph.layers.values()), "input_layers": graph.inputs, "output_layers": [last]}


class _Graph:
    def __init__(self, path: str) -> None:
        self.layers: dict[str, dict[str, Any]] = {}
        self.inputs: list[list[Any]] = []
        self._path = path

    def add_all(self, layers: Any, last: list[Any] | None) -> list[Any]:
        """One behind the other; where the last one's output is."""
        for layer in layers if isinstance(layers, list) else ():
            config = layer.get("config") if isinstance(layer, dict) else None
            if not isinstance(layer, dict) or not isinstance(config, dict):
                raise UnsupportedError("a model within a branch of a Merge has no place in Keras 3", path=self._path)
            branches = config.pop("layers", None) if layer.get("class_name") == "Merge" else None
            if isinstance(branches, list):
                given = [self._branch(branch) for branch in branches]
            else:
                given = [last if last is not None else self._input(config)]
            last = self._call(layer, config, given)
        if last is None:
            raise CorruptError("a Sequential model of a Merge has no layers", path=self._path)
        return last

    def _branch(self, branch: Any) -> list[Any]:
        if not isinstance(branch, dict) or branch.get("class_name") != "Sequential":
            kind = branch.get("class_name") if isinstance(branch, dict) else type(branch).__name__
            raise UnsupportedError(f"a Merge of a {kind}, which is no Sequential model, has no place in Keras 3", path=self._path)
        return self.add_all(branch.get("config"), None)

    def _input(self, config: dict[str, Any]) -> list[Any]:
        shape = config.pop("batch_input_shape", None)
        if not isinstance(shape, list):
            raise UnsupportedError("a branch of a Merge does not say the shape of its input", path=self._path)
        own = {"batch_input_shape": shape, "input_dtype": config.get("input_dtype", "float32"), "name": f"{config.get('name')}_input"}
        place = self._call({"class_name": "InputLayer"}, own, None)
        if place not in self.inputs:
            self.inputs.append(place)
        return place

    def _call(self, layer: dict[str, Any], config: dict[str, Any], given: list[list[Any]] | None) -> list[Any]:
        """A layer of a name that was there is the same one, called again."""
        name = str(config.get("name"))
        own = self.layers.setdefault(name, {"class_name": layer["class_name"], "config": config, "name": name, "inbound_nodes": []})
        if given is None:
            return [name, 0, 0]
        own["inbound_nodes"].append([[*place, {}] for place in given])
        return [name, len(own["inbound_nodes"]) - 1, 0]
