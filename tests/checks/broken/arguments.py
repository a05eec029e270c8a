"""What tools get wrong of arguments and of names."""

from tests.checks.broken.contract import Hangs
from tests.checks.healthy import Answer, Healthy, parsed


def arguments_of(call):
    return parsed(call["arguments"].encode())


class CrashesOn(Healthy):
    """Crashes on arguments of which `crashes` is true."""

    def __init__(self, crashes):
        super().__init__()
        self.crashes = crashes

    def output(self, call):
        if self.crashes(call["arguments"], arguments_of(call)):
            raise ConnectionError
        return super().output(call)

    def tool(self, call):
        try:
            return super().tool(call)
        except ConnectionError:
            return Answer(500, {"error": "internal"})


def no_json(_text, value):
    return value is None


def no_object(_text, value):
    return value is not None and not isinstance(value, dict)


def missing(_text, value):
    return isinstance(value, dict) and "query" not in value


def wrong_type(_text, value):
    return isinstance(value, dict) and not isinstance(value.get("query", ""), str)


def one_too_many(_text, value):
    return isinstance(value, dict) and not value.keys() <= {"query", "top"}


def not_latin(_text, value):
    query = value.get("query") if isinstance(value, dict) else None
    return isinstance(query, str) and not query.isascii()


def enormous(text, _value):
    return len(text) > 65_536


CRASHES = {
    "no JSON": no_json,
    "no object": no_object,
    "a required field missing": missing,
    "a wrong type": wrong_type,
    "a field too many": one_too_many,
    "every kind of Unicode": not_latin,
    "very long": enormous,
}


class HangsOnBadArguments(Hangs):
    def tool(self, call):
        if arguments_of(call) is None:
            self.released.wait()
        return Healthy.tool(self, call)


class AcceptsAnything(Healthy):
    def output(self, call):
        return self.look_up(call["trace_id"], str(arguments_of(call)))


class AnyName(Healthy):
    def tool(self, call):
        return super().tool({**call, "name": "look_up"})


class CrashesOnNames(Healthy):
    def tool(self, call):
        return super().tool(call) if call["name"] == "look_up" else Answer(500, {})
