import random

import pytest

from simulator.errors import PolicyError, ScenarioError
from simulator.job.policies import policy_factory
from simulator.job.scenario import Overrides, load_scenario
from simulator.job.scripted import load_class
from simulator.model import Turn
from tests.making import spec

from .folder import ENVIRON, TOML, row, rows, write_folder

AGENT = """\
from dataclasses import dataclass
from simulator.model import Turn
from simulator.plan.policy import Policy, ScriptedPolicy

@dataclass
class Note:
    text: "str"

class Agent(ScriptedPolicy):
    def play(self):
        yield self.ask("find", query=self.options["topic"], tokens=10)
        return self.answer(Note(f"{self.item.line}, {self.rng.random()}").text, tokens=5)

class Picky:
    def __init__(self, item, rng, depth):
        pass
    def next(self, seen):
        return Turn()

class Idle:
    pass

class Mute(ScriptedPolicy):
    pass

class Promise(Policy):
    pass

class Direct(ScriptedPolicy):
    def next(self, seen):
        return Turn()

class Lookup(dict):
    def next(self, seen):
        return Turn()

agent = Agent
number = 3
"""

SCRIPTED = (
    TOML.replace('kind = "synthetic"', 'kind = "scripted"').replace(
        'calls = "uniform:2:4"', 'agent = "agent.py:CLASS"'
    )
    + '[policies.quick.options]\ntopic = "tax"\n'
)


def make(folder, *, agent=AGENT, name="Agent", train=None):
    (folder / "agent.py").write_text(agent, encoding="utf-8")
    write_folder(folder, toml=SCRIPTED.replace("CLASS", name), train=train)
    scenario = load_scenario("scenario.toml", Overrides(), ENVIRON)
    return scenario, policy_factory(scenario, scenario.train)


def test_a_scripted_policy_is_made_with_item_generator_and_options(folder):
    scenario, factory = make(folder)
    policy = factory(spec_of(scenario.train[0]), random.Random(1))
    assert policy.next(()).calls[0].arguments == '{"query":"tax"}'
    assert policy.next(()).answer == f"1, {random.Random(1).random()}"


def test_a_scripted_policy_is_guarded(folder):
    scenario, factory = make(folder, agent=AGENT.replace('"find"', '"fly"'))
    with pytest.raises(PolicyError, match=r"^policy Agent called `fly`; the job's tools: find"):
        factory(spec_of(scenario.train[0]), random.Random(1)).next(())


@pytest.mark.parametrize(
    ("agent", "name", "line"),
    [
        (AGENT, "Missing", 'agent.py: has no class "Missing"; mend scenario.toml:15'),
        (AGENT, "number", 'agent.py: has no class "number"; mend scenario.toml:15'),
        (AGENT, "Idle", "agent.py: the class Idle has no method `next`; subclass ScriptedPolicy"),
        (AGENT, "Promise", "agent.py: the class Promise has no method `next`; subclass ScriptedPolicy"),
        (
            AGENT,
            "Mute",
            "agent.py: the class Mute has no method `play`; write it as ScriptedPolicy describes",
        ),
        (
            AGENT,
            "ScriptedPolicy",
            "agent.py: the class ScriptedPolicy has no method `play`; write it as ScriptedPolicy describes",
        ),
        (AGENT, "Lookup", None),
        (
            "import sys\n\nsys.exit(0)",
            "Agent",
            "agent.py:3: failed when it was loaded: SystemExit: 0; mend the file",
        ),
        (
            "raise SystemExit",
            "Agent",
            "agent.py:1: failed when it was loaded: SystemExit; mend the file",
        ),
        (
            "raise KeyboardInterrupt",
            "Agent",
            "agent.py:1: failed when it was loaded: KeyboardInterrupt; mend the file",
        ),
        (
            AGENT,
            "Picky",
            (
                "scenario.toml:15: Picky does not take these options: missing a required argument: 'depth'; "
                "mend the policy's table `options`"
            ),
        ),
        ("x = 1\ndef f(:\n", "Agent", "agent.py:2: syntax error: invalid syntax; mend the line"),
        (
            "\n\nraise OSError('a\\nb')",
            "Agent",
            "agent.py:3: failed when it was loaded: OSError: a b; mend the file",
        ),
        ("\0", "Agent", None),
    ],
)
def test_scripted_policies_that_cannot_be_used(folder, agent, name, line):
    with pytest.raises(ScenarioError) as caught:
        make(folder, agent=agent, name=name)
    assert len(str(caught.value).splitlines()) == 1
    assert line is None or str(caught.value).replace(f"{folder}/", "") == line


def test_a_subclass_with_a_next_of_its_own_needs_no_play(folder):
    scenario, factory = make(folder, name="Direct")
    assert factory(spec_of(scenario.train[0]), random.Random(1)).next(()) == Turn()


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("agent.py", '"agent.py" names no class; write FILE.py:CLASS'),
        (":Agent", '":Agent" names no class; write FILE.py:CLASS'),
        ("gone.py:Agent", '"gone.py:Agent": no file gone.py; check the name'),
        ("job.json:Agent", "job.json: is no Python file; name a file that ends in .py"),
    ],
)
def test_references_that_lead_nowhere(folder, reference, line):
    with pytest.raises(ScenarioError) as caught:
        load_class(reference, folder, where="s.toml:4")
    assert str(caught.value).replace(f"{folder}/", "").removeprefix("s.toml:4: agent ") == line


def test_synthetic_rollouts_call_what_their_row_declares(folder):
    bare = '{"messages": [{"role": "user", "content": "?"}]}'
    write_folder(folder, train="\n".join([*rows(2), bare]))
    scenario = load_scenario("job.json", Overrides(), ENVIRON)
    factory = policy_factory(scenario, scenario.train)
    declared, undeclared = (calls_of(factory, scenario.train[index]) for index in (0, 2))
    assert {call.name for call in declared} == {"find"}
    assert {call.name for call in undeclared} == {"find", "read"}
    assert {call.arguments for call in undeclared} == {"{}"}


@pytest.mark.slow
def test_the_same_seed_makes_the_same_rollout(folder):
    write_folder(folder)
    scenarios = [load_scenario("job.json", Overrides(seed=seed), ENVIRON) for seed in (3, 3, 4)]
    first, again, other = (calls_of(policy_factory(s, s.train), s.train[0]) for s in scenarios)
    assert first == again != other


def test_a_schema_that_yields_nothing_names_tool_and_line(folder):
    bad = row().replace('"integer"', '"intger"')
    write_folder(folder, train=f"{row()}\n{bad}")
    scenario = load_scenario("job.json", Overrides(), ENVIRON)
    with pytest.raises(ScenarioError) as caught:
        policy_factory(scenario, scenario.train)
    assert str(caught.value).startswith('train.jsonl:2: no arguments can be generated for the tool "find" (')
    policy_factory(scenario, scenario.train[:1])


def spec_of(item):
    return spec(of=item)


def calls_of(factory, item):
    rng = random.Random(0)
    calls = []
    for _ in range(20):
        policy = factory(spec_of(item), rng)
        while (turn := policy.next(())).calls:
            calls.extend(turn.calls)
    return calls
