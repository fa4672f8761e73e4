"""The official chat template under jinja2, set up as transformers does (utils/chat_template_utils.py,
_compile_jinja_template): trim_blocks, lstrip_blocks, and a tojson that escapes nothing for HTML."""

import hashlib
import json
import os

import jinja2
import jinja2.sandbox

SHA256 = "d63ad536c3c81880043e22ec7fd08db42b4d8fb7c89c7138bc562bfa25281375"


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def load():
    """The compiled template of the file that GLINT_CHAT_TEMPLATE names; None without one."""
    path = os.environ.get("GLINT_CHAT_TEMPLATE")
    if not path:
        return None
    with open(path, "rb") as file:
        source = file.read()
    found = hashlib.sha256(source).hexdigest()
    assert found == SHA256, f"{path} is another template: sha256 {found}, expected {SHA256}"
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = tojson
    return environment.from_string(source.decode())


def render(template, conversation):
    """The prompt, or None where the template fails."""
    try:
        return template.render(messages=conversation["messages"], tools=conversation.get("tools"),
                               **conversation["options"])
    except (TypeError, jinja2.exceptions.UndefinedError):
        return None
