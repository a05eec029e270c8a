"""Secrets that stand in the job or in a dataset in plain text. No message ever holds one."""

from collections.abc import Iterator
from urllib.parse import unquote_plus

from simulator.job import strictjson
from simulator.job.document import Node
from simulator.job.lint.places import Spot, elements, member, members, strings, text_of, told, told_by_file
from simulator.job.lint.tokens import is_credential, is_literal, is_query_credential, possible_in, token_in
from simulator.job.locate import Path
from simulator.job.scenario import Scenario
from simulator.job.strictjson import quoted
from simulator.model import Finding


def secrets_in_job(scenario: Scenario) -> Iterator[Finding]:
    """Tell of literal credentials in headers and queries, and of tokens anywhere in the job; each once."""
    root = Node(scenario.file.node.source, strictjson.decode(scenario.file.node.source.text))
    places: dict[str, list[tuple[Node, str]]] = {}
    known = set[Path]()
    for value, node, message in (*_credentials(scenario.file.node), *_tokens(root)):
        if node.path not in known:
            known.add(node.path)
            places.setdefault(value, []).append((node, message))
    for spots in places.values():
        yield told("job.plain_secret", spots[0][1], [node for node, _ in spots])


def _credentials(reinforcement: Node) -> Iterator[tuple[str, Node, str]]:
    """Yield each literal credential with its node and what to say of it."""
    tools = [(tool, "server_url") for tool in elements(member(reinforcement, "tools"))]
    for owner, field in (*tools, (member(reinforcement, "grader"), "url")):
        for name, node in members(member(owner, "headers")):
            if is_credential(name) and is_literal(text_of(node)):
                yield text_of(node), node, f"{node.name} holds credentials in plain text"
        url = member(owner, field)
        for part in text_of(url).partition("?")[2].split("&"):
            name, _, value = part.partition("=")
            if url and is_query_credential(unquote_plus(name)) and is_literal(value):
                yield value, url, f"{url.name} holds `{quoted(name)[1:-1]}=...` in plain text"


def _tokens(root: Node) -> Iterator[tuple[str, Node, str]]:
    for path, text in strings(root.value):
        if kind := token_in(text):
            node = Node(root.source, None, path)
            named = "the name of a value" if any(token_in(str(step)) for step in path) else node.name
            yield text, node, f"{named} holds what looks like {kind}"


def secrets_in_rows(scenario: Scenario) -> Iterator[Finding]:
    """Tell of tokens in the datasets."""
    for _, file, items in scenario.splits:
        spots = [
            Spot(file, item, f"the row holds what looks like {kind}", path)
            for item in items
            if (shapes := possible_in(bytes(item.json)))
            for path, text in strings(item.row)
            if (kind := token_in(text, shapes))
        ]
        yield from told_by_file("dataset.plain_secret", spots)


SECRET_LINTS = (secrets_in_job, secrets_in_rows)
