from __future__ import annotations

import json

import pytest

from scheduling.planner.gates import GATES, as_json
from tests.planner.build import sample


@pytest.mark.parametrize("name", GATES)
def test_what_a_gate_takes_is_read_back_as_it_is_stored(name):
    given = sample(name)

    assert GATES[name].read(json.loads(json.dumps(as_json(given)))) == given.parameters
