"""The keys of ServiceMonitor and PrometheusRule that Marquee uses, as strict as their CRDs, and no other key.

The CRDs come with the operator (0.93.1 was read). A key that the chart begins to use is added here: see
https://prometheus-operator.dev/docs/api-reference/api/.
"""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
DURATION = r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"


def closed(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


def several(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def resource(kind: str, spec: Schema) -> Schema:
    metadata = closed(("name",), name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
    return closed(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion=one_of("monitoring.coreos.com/v1"),
        kind=one_of(kind),
        metadata=metadata,
        spec=spec,
    )


SECONDS: Schema = {"type": "string", "pattern": DURATION, "minLength": 1}
RELABELLING = closed(
    action=one_of(
        *(
            "replace",
            "keep",
            "drop",
            "hashmod",
            "labelmap",
            "labeldrop",
            "labelkeep",
            "lowercase",
            "uppercase",
        ),
        *("keepequal", "dropequal"),
    ),
    sourceLabels=several({"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}),
    separator=TEXT,
    targetLabel=TEXT,
    regex=TEXT,
    replacement=TEXT,
)
ENDPOINT = closed(
    port=TEXT,
    targetPort={"type": ["integer", "string"]},
    path=TEXT,
    scheme=one_of("http", "https"),
    interval=SECONDS,
    scrapeTimeout=SECONDS,
    honorLabels={"type": "boolean"},
    relabelings=several(RELABELLING),
    metricRelabelings=several(RELABELLING),
)
SELECTOR = closed(
    matchLabels=TEXTS,
    matchExpressions=several(closed(("key", "operator"), key=TEXT, operator=TEXT, values=several(TEXT))),
)
SERVICE_MONITOR = resource(
    "ServiceMonitor",
    closed(
        ("endpoints", "selector"),
        endpoints=several(ENDPOINT),
        selector=SELECTOR,
        namespaceSelector=closed(any={"type": "boolean"}, matchNames=several(TEXT)),
        jobLabel=TEXT,
        targetLabels=several(TEXT),
        podTargetLabels=several(TEXT),
        sampleLimit={"type": "integer"},
    ),
)
RULE = {
    **closed(
        ("expr",),
        alert=TEXT,
        record=TEXT,
        expr={"type": ["integer", "string"]},
        **{"for": SECONDS, "keep_firing_for": SECONDS},
        labels=TEXTS,
        annotations=TEXTS,
    ),
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
}
GROUP = closed(
    ("name",),
    name={"type": "string", "minLength": 1},
    interval=SECONDS,
    labels=TEXTS,
    limit={"type": "integer"},
    rules=several(RULE),
)
PROMETHEUS_RULE = resource("PrometheusRule", closed(groups=several(GROUP)))
SCHEMAS: dict[str, Schema] = {"ServiceMonitor": SERVICE_MONITOR, "PrometheusRule": PROMETHEUS_RULE}
