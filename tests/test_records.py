"""What is dumped is plain, what is loaded is what was dumped, and a wrong file is named."""

import json
from dataclasses import replace
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

from sbipipe.interfaces import Real
from sbipipe.learning.schedules import Cosine
from sbipipe.records import InputError, Values, beside, dump, load, parse, plugin, record


@record
class Line:
    x: Values
    height: Real


@record
class Picture:
    title: str
    lines: dict[str, Line]
    sizes: tuple[int, ...]
    limit: float | None
    scale: Real | None = None


def line(*x: float, height: float = 1.0) -> Line:
    return Line(x=np.array(x), height=height)


PICTURE = Picture(title="a", lines={"b": line(1.0, 2.0)}, sizes=(3, 4), limit=None)


def test_a_record_comes_back_as_it_was():
    plain = dump(PICTURE)
    assert plain == {
        "title": "a",
        "lines": {"b": {"x": [1.0, 2.0], "height": 1.0}},
        "sizes": [3, 4],
        "limit": None,
        "scale": None,
    }
    loaded = load(Picture, json.loads(json.dumps(plain)), "p.json")
    assert (loaded.title, loaded.sizes, loaded.limit, loaded.scale) == ("a", (3, 4), None, None)
    np.testing.assert_array_equal(loaded.lines["b"].x, [1, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_null_and_comes_back_as_nan(value):
    plain = dump(line(1.0, value, height=value))
    assert plain == {"x": [1.0, None], "height": None}
    loaded = load(Line, plain, "line.json")
    assert np.isnan(loaded.height)
    np.testing.assert_array_equal(loaded.x, [1, np.nan])


def test_arrays_keep_their_shape():
    given = Line(x=np.arange(6.0).reshape(2, 3), height=0.0)
    np.testing.assert_array_equal(load(Line, dump(given), "line.json").x, given.x)


def test_numpy_values_are_plain():
    given = {"a": np.float32(0.5), "b": np.int64(2), "c": np.bool_(True), "d": np.array([np.nan])}
    assert dump(given) == {"a": 0.5, "b": 2, "c": True, "d": [None]}
    with pytest.raises(ValueError, match="neither a record nor a plain value"):
        dump({"a": object()})


def test_keys_that_a_record_does_not_know_are_passed_over():
    assert load(Picture, {**dump(PICTURE), "more": 1}, "p.json").title == "a"


def test_every_wrong_value_of_a_file_is_named():
    plain = dump(PICTURE) | {"sizes": [1, "two"]}
    plain["lines"]["b"] = {"x": [[1.0], [2.0, 3.0]]}
    del plain["title"]
    with pytest.raises(InputError) as error:
        load(Picture, plain, "p.json")
    lines = error.value.problems
    assert len(lines) == 4
    assert "p.json: title: missing" in lines
    assert "p.json: lines.b.height: missing" in lines
    assert any(line.startswith("p.json: lines.b.x: given [[1.0], [2.0, 3.0]]; ") for line in lines)
    assert any(line.startswith('p.json: sizes.1: given "two"; ') for line in lines)
    with pytest.raises(InputError, match=r"^p\.json: given \[\]; "):
        load(Picture, [], "p.json")


def test_keys_that_are_written_change_the_default_of_their_field():
    default = Cosine(epochs=7, learning_rate=0.5)

    @plugin
    class Learner:
        optimisation: Annotated[Cosine, beside(lambda: default)] = Field(
            default_factory=lambda: default
        )

    assert parse(Learner, {}, "x").optimisation == default
    found = parse(Learner, {"optimisation": {"epochs": 3}}, "x").optimisation
    assert found == replace(default, epochs=3)
    with pytest.raises(InputError, match=r"x\.optimisation\.foo"):
        parse(Learner, {"optimisation": {"foo": 3}}, "x")
