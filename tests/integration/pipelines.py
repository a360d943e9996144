"""Random pipeline files: small, valid, and of all the kinds that the reference can judge.

Some restrictions keep what is expected well defined. Where a row depends on whether values have
*changed* (on_update expiry, `unchanged: skip`), a value that the engine may miss by a tolerance
must not be the only one that tells. Shuffled on_update views do not `keep`: which values were
the last before a key went quiet depends on how its partitions interleave; so does when a lifetime
state begins anew, so that of a shuffled one never does. A short `state.ttl` stands alone: with it
the engine may forget what it has shown, and the ids that it has seen, when all windows are over.
"""

import json

from events import DOMAINS, START
from harness import dump, load
from reference.pipeline import duration_ms

_SLIDES_MS = (1000, 2000, 5000, 10_000, 60_000)
_GAPS_MS = (500, 5000, 30_000, 300_000)
_LENGTHS = ("tumbling", "sliding", "session")
_NUMERIC = ("int64", "double", "decimal")

# Fields that a source may declare beside its entity: name → type.
_FIELDS = {
    "event_type": "string",
    "page": "string",
    "item_id": "string",
    "sku": "string",
    "category": "string",
    "country": "string",
    "quantity": "int64",
    "price": "double",
    "amount": "decimal(2)",
    "points": "decimal(0)",
    "rate": "decimal(5)",
    "success": "bool",
    "ordered_at": "timestamp",
}
_IDS = {"event_id": "string", "sequence": "int64"}  # that deduplication goes by

# Fields with too many values for an exact distinct, histogram or top.
_WIDE = ("item_id", "sku", "ordered_at", *_IDS)


def random_pipeline(rng, partitioning):
    """YAML text of a pipeline with one or two sources of two to four views each."""
    document = {
        "pipeline": "random",
        "kafka": {"brokers": "to be set", "group": "to be set"},
        "redis": {"url": "to be set", "key": "f:{user_id}", "ttl": "25h"},
        "sources": {},
        "views": {},
    }
    if rng.random() < 0.2:
        document["redis"]["metadata"] = False
    entity_type = "int64" if rng.random() < 0.15 else "string"
    # With a short state.ttl the engine may forget what it has shown and what it has seen.
    forgetful = partitioning == "aligned" and rng.random() < 0.15
    for number in range(rng.choice((1, 1, 2))):
        name = f"source{number}"
        source = _source(rng, name, entity_type, partitioning)
        if forgetful:
            source.pop("dedup", None)
        document["sources"][name] = source
        for place in range(rng.randint(2, 4)):
            view = f"v{number}{place}"
            window = "lifetime" if forgetful and place == 0 else _window(rng)
            document["views"][view] = _view(rng, view, name, source, window)
            if forgetful:
                document["views"][view].pop("unchanged", None)
    if forgetful:
        document["state"] = {"ttl": _short_ttl(rng, document)}
    elif partitioning == "shuffle":
        document["state"] = {"ttl": "100h"}
    return dump(document)


def _short_ttl(rng, document):
    """One that lets lifetime states begin anew, yet is longer than any event of the traffic is
    late: a state that begins anew is then a newer one."""
    longest = max(map(_length_ms, document["views"].values())) or 60_000
    late = max(map(_lateness_ms, document["sources"].values()))
    return f"{late + int(longest * rng.uniform(2, 4))}ms"


def _length_ms(view):
    window = view["window"]
    if window == "lifetime":
        return 0
    return duration_ms(next(window[kind] for kind in window if kind in _LENGTHS))


def _lateness_ms(source):
    return duration_ms(source["out_of_orderness"]) + duration_ms(source["allowed_lateness"])


def _source(rng, name, entity_type, partitioning):
    fields = {"user_id": entity_type}
    for field in sorted(rng.sample(sorted(_FIELDS), rng.randint(3, len(_FIELDS)))):
        fields[field] = _field(rng, field, _FIELDS[field])
    id_field = rng.choice((None, None, *_IDS))
    if id_field:
        fields[id_field] = {"type": _IDS[id_field], "optional": rng.random() < 0.5}
    names = list(fields)
    rng.shuffle(names)  # the order of declaration is that of the checks
    time_unit = rng.choice(("ms", "s", "us", "iso8601"))
    source = {
        "topic": name,
        "format": "json",
        "partitioning": partitioning,
        "entity": "user_id",
        "time": {"field": rng.choice(("timestamp", "meta.time")), "unit": time_unit},
        "fields": {field: fields[field] for field in names},
        "out_of_orderness": rng.choice(("0s", "1ms", "3s", "30s")),
        "allowed_lateness": rng.choice(("0s", "1ms", "5s", "1m", "10m")),
        "late_topic": f"{name}_late",
        "dead_letter_topic": f"{name}_dlq",
    }
    if id_field and rng.random() < 0.9:
        within = rng.choice(("1ms", "5s", "1m", "10m", "1h"))
        source["dedup"] = {"field": id_field, "within": within}
    if rng.random() < 0.5:
        source["max_future"] = rng.choice(("0s", "10s", "1h"))
    return source


def _field(rng, name, kind):
    kind_of_field = rng.random()
    if kind_of_field < 0.3:
        return kind
    spec = {"type": kind}
    if rng.random() < 0.3:
        spec["path"] = f"properties.{name}"
    if kind_of_field < 0.75:
        spec["optional"] = True
    else:
        spec["default"] = _literal(rng, name, kind)
    return spec


def _type_of(spec):
    kind = spec if isinstance(spec, str) else spec["type"]
    return kind.split("(")[0]


def _literal(rng, name, kind):
    kind = kind.split("(")[0]
    if kind == "string":
        return rng.choice(DOMAINS.get(name, [f"{name}_{number}" for number in range(6)]))
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "timestamp":
        return START + rng.randint(-3_600_000, 3_600_000)
    if kind == "int64" or rng.random() < 0.5:
        return rng.randint(-5, 200)
    return rng.choice((0.5, 12.25, 99.75, -3.5)) if kind == "double" else rng.randint(0, 400)


# Filters


def _where(rng, fields, depth=2):
    kind = rng.random()
    if depth and kind < 0.12:
        return {"not": _where(rng, fields, depth - 1)}
    if depth and kind < 0.24:
        return {"any": [_where(rng, fields, depth - 1) for _ in range(rng.randint(1, 3))]}
    names = rng.sample(sorted(fields), min(rng.randint(1, 2), len(fields)))
    return {name: _condition(rng, name, _type_of(fields[name])) for name in names}


def _condition(rng, name, kind):
    pick = rng.random()
    if pick < 0.15:
        return {"exists": rng.random() < 0.6}
    if kind in ("string", "int64") and pick < 0.4:
        return [_literal(rng, name, kind) for _ in range(rng.randint(1, 3))]
    if pick < 0.55 or kind == "bool":
        if kind == "bool" and pick > 0.8:
            return {"ne": _literal(rng, name, kind)}
        return _literal(rng, name, kind)
    if pick < 0.7:
        return {
            rng.choice(("gt", "ge")): _literal(rng, name, kind),
            rng.choice(("lt", "le", "ne")): _literal(rng, name, kind),
        }
    operator = rng.choice(("eq", "ne", "gt", "ge", "lt", "le"))
    return {operator: _literal(rng, name, kind)}


# Views


def _view(rng, name, source_name, source, window):
    filters = {field: spec for field, spec in source["fields"].items() if field != "user_id"}
    on_update = window == "lifetime" or rng.random() < 0.4
    skip = rng.random() < 0.25
    view = {"source": source_name, "window": window}
    if on_update or rng.random() < 0.3:
        view["emit"] = "on_update" if on_update else "on_close"
    if rng.random() < 0.4:
        view["where"] = _where(rng, filters)
    view["features"] = _features(rng, name, filters, exact_only=skip, tell_changes=on_update)
    has_empty_rows = window != "lifetime" and (on_update or "session" not in window)
    if has_empty_rows and rng.random() < 0.6:
        choices = ["zero", "keep", "delete"]
        if on_update and source["partitioning"] == "shuffle":
            choices.remove("keep")
        view["when_empty"] = rng.choice(choices)
    if skip:
        view["unchanged"] = "skip"
    return view


def _window(rng):
    slide = rng.choice(_SLIDES_MS)
    kind = rng.random()
    if kind < 0.2:
        return {"session": f"{rng.choice(_GAPS_MS)}ms"}
    if kind < 0.3:
        return "lifetime"
    if kind < 0.55:
        window = {"tumbling": f"{slide * rng.randint(1, 30)}ms"}
    else:
        panes = rng.choice((1, 2, 3, 5, 6, 12, 60))
        window = {"sliding": f"{slide * panes}ms", "every": f"{slide}ms"}
    if rng.random() < 0.4:
        offset = rng.choice((1, -1, 250, -1500, 3_600_000, rng.randint(-9999, 9999)))
        window["offset"] = f"{offset}ms"
    return window


def _features(rng, view, fields, exact_only, tell_changes):
    """One to six features. `exact_only`: none with a tolerance. `tell_changes`: one of them, a
    count, differs whenever the events differ, unless all are exact."""
    features = {}
    for place in range(rng.randint(1, 6)):
        feature = _feature(rng, fields, exact_only)
        if rng.random() < 0.2:
            feature["where"] = _where(rng, fields, depth=1)
        features[f"{view}_f{place}"] = feature
    vague = any(_is_vague(feature, fields) for feature in features.values())
    if (tell_changes and vague) or rng.random() < 0.5:
        features[f"{view}_count"] = {"count": True}
    return features


def _feature(rng, fields, exact_only):
    numeric = [name for name in fields if _type_of(fields[name]) in _NUMERIC]
    ordered = numeric + [name for name in fields if _type_of(fields[name]) == "timestamp"]
    # The text of a double as a map key is a matter of taste, so none is.
    named = [name for name in fields if _type_of(fields[name]) != "double"]
    summed = numeric
    if exact_only:
        summed = [name for name in numeric if _type_of(fields[name]) != "double"]
        named = [name for name in named if name not in _WIDE]
    subjects = {
        "count": list(fields),
        "sum": summed,
        "min": ordered,
        "max": ordered,
        "first": list(fields),
        "last": list(fields),
        "list": list(fields),
        "distinct": named,
        "histogram": named,
        "top": named,
        "since_previous": [True],
    }
    if not exact_only:
        subjects.update({name: numeric for name in ("mean", "variance", "stddev", "quantile")})
    aggregate = rng.choice([name for name, choices in subjects.items() if choices])
    if aggregate == "count" and rng.random() < 0.3:
        return {"count": True}
    if aggregate == "top" and rng.random() < 0.4:
        subjects["top"] = [name for name in named if name in _WIDE] or named
    return {
        aggregate: rng.choice(subjects[aggregate]),
        **_options(rng, aggregate, exact_only),
    }


def _options(rng, aggregate, exact_only):
    if aggregate == "quantile":
        return {"q": rng.choice((0, 0.01, 0.25, 0.29, 0.5, 0.9, 0.95, 0.99, 1))}
    if rng.random() < 0.5:
        return {}
    if aggregate in ("first", "last"):
        return {"n": rng.choice((1, 2, 3, 20, 1000))}
    if aggregate == "top":
        return {"n": rng.choice((1, 2, 3, 20, 256))}
    if aggregate == "list":
        return {"limit": rng.choice((1, 2, 7, 100))}
    if aggregate in ("variance", "stddev"):
        return {"sample": rng.random() < 0.8}
    if aggregate == "histogram" and not exact_only:
        return {"limit": rng.choice((1, 3, 8))}
    return {}


_VAGUE = ("mean", "variance", "stddev", "quantile", "distinct", "histogram", "top")


def _is_vague(feature, fields):
    """May the engine's value miss the reference's?"""
    if "sum" in feature:
        return _type_of(fields[feature["sum"]]) == "double"
    return any(name in feature for name in _VAGUE)


def summary(text):
    """One line a view and source, for a failure's report."""
    document = load(text)
    entries = {**document["sources"], **document["views"]}
    return "\n".join(f"{name}: {json.dumps(spec)}" for name, spec in entries.items())
