"""The filter language of section 6: a mapping from the pipeline file → a predicate over fields.

    where: {event_type: purchase, amount: {gt: 100}, category: [shoes, toys]}

All entries must hold. `not` negates a mapping, `any` holds if one of its mappings does. On an
absent field every operator but `exists` is false, `ne` too; `not` then turns that into true.
"""

import operator

from .values import ABSENT, literal

_COMPARISONS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def compile_where(spec, fields):
    """A function of an event's fields (name → value or ABSENT). No entries: always true."""
    conditions = [_entry(name, wanted, fields) for name, wanted in spec.items()]
    if not conditions:
        return _always
    return lambda values: all(condition(values) for condition in conditions)


def _always(_values):
    return True


def _entry(name, wanted, fields):
    if name == "not":
        inner = compile_where(wanted, fields)
        return lambda values: not inner(values)
    if name == "any":
        choices = [compile_where(choice, fields) for choice in wanted]
        return lambda values: any(choice(values) for choice in choices)
    field = fields[name]
    if isinstance(wanted, list):
        return _one_of(field, wanted)
    if isinstance(wanted, dict):
        tests = [_operator(field, op, operand) for op, operand in wanted.items()]
        return lambda values: all(test(values) for test in tests)
    return _operator(field, "eq", wanted)


def _one_of(field, texts):
    accepted = [literal(text, field.kind, field.digits) for text in texts]
    # ABSENT equals none of them: an absent field is in no list.
    return lambda values: values[field.name] in accepted


def _operator(field, op, operand):
    if op == "exists":
        wanted = operand == "true"
        return lambda values: (values[field.name] is not ABSENT) == wanted
    compare = _COMPARISONS[op]
    constant = literal(operand, field.kind, field.digits)

    def holds(values):
        value = values[field.name]
        return value is not ABSENT and compare(value, constant)

    return holds
