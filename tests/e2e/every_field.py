"""Bodies made of /openapi.json that have one text in turn in every field of a request, whatever belongs there."""

MAX_DEPTH = 8  # of a field in a body; schemas may hold themselves


class Description:
    def __init__(self, openapi):
        self.paths = openapi["paths"]
        self.schemas = openapi["components"]["schemas"]

    def operations(self):
        """(method, path, names of query parameters, schema of the body or None)."""
        for path, methods in self.paths.items():
            for method, operation in methods.items():
                query = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
                content = operation.get("requestBody", {}).get("content", {})
                yield method.upper(), path, query, content.get("application/json", {}).get("schema")

    def bodies(self, schema, text):
        """Each is as the schema wants it, but for one place, which has the text."""
        for body in self._with(schema, text, 0):
            if isinstance(body, dict):
                yield body

    def sample(self, schema, depth=0):
        """The least that the schema takes, or nearly."""
        one = self._alternatives(schema)[0]
        if "const" in one or "enum" in one:
            return one["const"] if "const" in one else one["enum"][0]
        kind = kind_of(one)
        if kind == "object":
            return {name: self.sample(one["properties"].get(name, {}), depth + 1) for name in one["required"]}
        if kind == "array":
            return [self.sample(one.get("items", {}), depth + 1)] if depth < MAX_DEPTH else []
        return {"string": "Hi", "integer": 1, "number": 1, "boolean": False}.get(kind)

    def _with(self, schema, text, depth):
        yield text
        if depth == MAX_DEPTH:
            return
        for one in self._alternatives(schema):
            if kind_of(one) == "object":
                sample = self.sample(one)
                for name, inner in one["properties"].items():
                    for value in self._with(inner, text, depth + 1):
                        yield {**sample, name: value}
            elif kind_of(one) == "array":
                for value in self._with(one.get("items", {}), text, depth + 1):
                    yield [value]

    def _alternatives(self, schema):
        """The schema without $ref, allOf and anyOf: a list, one of which holds."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        merged = [{"required": [], "properties": {}}]
        own = {key: value for key, value in schema.items() if key not in ("allOf", "anyOf")}
        groups = [[own]] + [self._alternatives(part) for part in schema.get("allOf", [])]
        if "anyOf" in schema:
            groups.append([one for part in schema["anyOf"] for one in self._alternatives(part)])
        for group in groups:
            merged = [merge(left, right) for left in merged for right in group]
        return merged


def merge(left, right):
    return {**left, **right, "required": left["required"] + right.get("required", []),
            "properties": {**left["properties"], **right.get("properties", {})}}


def kind_of(schema):
    kind = schema.get("type")
    if isinstance(kind, list):
        return next(one for one in kind if one != "null")
    return kind or ("object" if schema["properties"] else None)
