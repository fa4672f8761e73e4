"""The repository's own rules, read from its files: a failure names the file and the rule."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("GLINT_SOURCE_DIR", Path(__file__).parents[2]))

# Which folder may include which: the picture in docs/architecture.md. Arrows only downwards; what is
# reachable through a neighbour's neighbour may be included too.
ARROWS = {
    "apps": ["api", "eval", "bench", "configure"],
    "eval": ["client"],
    "bench": ["model", "client", "tokenizer", "chat"],
    "api": ["http", "web", "configure", "chat", "tokenizer", "engine"],
    "configure": ["bench"],
    "client": ["http"],
    "web": ["http"],
    "engine": ["scheduler", "sampling", "model"],
    "scheduler": ["kv"],
    "sampling": ["backend"],
    "model": ["backend"],
    "http": [],
    "chat": [],
    "tokenizer": [],
    "kv": [],
    "backend": [],
    "base": [],
}

CODE = (".h", ".cpp", ".cu", ".cuh")
TEXT = CODE + (".py", ".md", ".txt", ".cmake", ".json")
MAX_LINES = 600
MAX_COLUMNS = 100
MAX_FILE_BYTES = 1 << 20


def tracked(*suffixes):
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [ROOT / name for name in names.stdout.split("\n") if name]
    return [f for f in files if f.is_file() and (not suffixes or f.name.endswith(suffixes))]


def page_scripts():
    return [p for p in tracked(".js") if "src/web/pages/" in str(p)]


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "src":
        return parts[1]
    return "apps" if parts[0] == "apps" else None


def reachable(folder):
    seen, todo = {folder, "base"}, [folder]
    while todo:
        for below in ARROWS[todo.pop()]:
            if below not in seen:
                seen.add(below)
                todo.append(below)
    return seen


def includes(text):
    return re.findall(r'^\s*#include\s+"([^"]+)"', text, re.M)


def arrow_problems(path, folder, text):
    allowed = reachable(folder)
    is_test = path.name.endswith(("_test.cpp", "_harness.h", "_harness.cpp"))
    for included in includes(text):
        target = included.split("/")[0]
        if target == "tests" and is_test:
            continue
        if target not in ARROWS:
            yield f"{path}: \"{included}\" is no path from src/"
        elif target not in allowed:
            yield f"{path}: {folder}/ may not include {target}/ (\"{included}\")"


def test_includes_follow_the_arrows():
    problems = []
    for path in tracked(*CODE):
        folder = folder_of(path)
        if folder:
            problems += arrow_problems(path.relative_to(ROOT), folder, path.read_text())
    assert not problems, "\n".join(problems)


def test_the_arrow_rule_can_fail():
    bad = '#include "api/stream.h"\n'
    assert list(arrow_problems(Path("src/kv/page_pool.cpp"), "kv", bad))
    assert list(arrow_problems(Path("src/kv/page_pool.cpp"), "kv", '#include "page_pool.h"\n'))
    assert not list(arrow_problems(Path("src/api/stream.cpp"), "api", bad))


def test_every_folder_is_in_the_picture():
    folders = {folder_of(p) for p in tracked(*CODE)} - {None}
    assert folders <= set(ARROWS), folders - set(ARROWS)


def test_beast_and_cuda_stay_in_their_folders():
    problems = []
    for path in tracked(*CODE):
        folder, text = folder_of(path), path.read_text()
        name = path.relative_to(ROOT)
        if folder and folder not in ("http", "client") and "boost/" in text:
            problems.append(f"{name}: Boost belongs into http/ and client/")
        if path.suffix == ".h" and "<boost/beast" in text:
            problems.append(f"{name}: Beast in a header costs every includer 20 s")
        if folder and "backend/cuda/" not in str(name) and re.search(r"#include\s+<cuda", text):
            problems.append(f"{name}: CUDA headers belong into backend/cuda/")
    assert not problems, "\n".join(problems)


# What a request passes through after the HTTP layer. Files are read at the start, in model/, tokenizer/ and apps/.
CLOSED_FOLDERS = {"api", "chat", "configure", "engine", "kv", "sampling", "scheduler", "web"}
OPENS = re.compile(r"#include <(fstream|fcntl\.h|sys/socket\.h|netdb\.h|dlfcn\.h|spawn\.h)>|"
                   r"\b(fopen|freopen|popen|system|dlopen|execv\w*)\(|"
                   r'#include "(client/|model/(hub|checkpoint|mapped_file)\.h)')


def test_what_a_request_passes_through_opens_nothing():
    own = [p for p in tracked(*CODE) if folder_of(p) in CLOSED_FOLDERS and "_test." not in p.name]
    assert own
    assert not [f"{p}: {OPENS.search(p.read_text()).group()}" for p in own if OPENS.search(p.read_text())]
    assert OPENS.search("#include <fstream>") and OPENS.search('std::system("x")')


def test_headers_are_included_once():
    # A *_body.h is compiled once per instruction set: including it again is its purpose.
    bad = [str(p.relative_to(ROOT)) for p in tracked(".h", ".cuh")
           if "#pragma once" not in p.read_text() and not p.name.endswith("_body.h")]
    assert not bad, f"without #pragma once: {bad}"


def test_lines_and_files_are_of_readable_size():
    problems = []
    for path in tracked(*CODE):
        if ".inc" in path.name or "_tables" in path.name:  # generated
            continue
        lines = path.read_text().split("\n")
        name = path.relative_to(ROOT)
        if len(lines) > MAX_LINES:
            problems.append(f"{name}: {len(lines)} lines; are there two things in it?")
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS and "http" not in line and 'R"' not in line:
                problems.append(f"{name}:{number}: {len(line)} columns")
    assert not problems, "\n".join(problems)


def test_no_leftovers():
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b|\bprintf\(\"(here|debug)")
    problems = []
    for path in tracked(*CODE, ".py", ".js"):
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if marks.search(line):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not problems, "\n".join(problems)


def test_names_say_what_a_file_is():
    vague = re.compile(r"^(utils?|common|misc|helpers?|manager)\.|_v\d\.|^new_")
    bad = [str(p.relative_to(ROOT)) for p in tracked(*CODE) if vague.search(p.name)]
    assert not bad, bad


def test_every_source_is_built():
    lists = "\n".join(p.read_text() for p in tracked("CMakeLists.txt"))
    bad = [str(p.relative_to(ROOT)) for p in tracked(".cpp") if p.name not in lists]
    assert not bad, f"in no CMakeLists.txt: {bad}"


def test_every_page_is_embedded():
    pages = [p for p in tracked() if "src/web/pages/" in str(p)]
    listed = (ROOT / "src/web/CMakeLists.txt").read_text()
    bad = [str(p) for p in pages if f"={p.relative_to(ROOT / 'src/web/pages')}" not in listed]
    assert pages and not bad, f"not in src/web/CMakeLists.txt: {bad}"


# What makes HTML or code of a text. A model writes the texts that these pages show.
TEXT_AS_HTML = re.compile(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|setHTML"
                          r"|createContextualFragment|\beval\b|new Function|setTimeout\(\s*['\"`]")


def test_pages_read_no_text_as_html():
    assert TEXT_AS_HTML.search("node.innerHTML = text") and TEXT_AS_HTML.search("eval(text)")
    bad = [str(p.relative_to(ROOT)) for p in page_scripts() if TEXT_AS_HTML.search(p.read_text())]
    assert not bad, bad


def test_no_large_files_but_the_bundled_model():
    bad = [str(p.relative_to(ROOT)) for p in tracked()
           if p.stat().st_size > MAX_FILE_BYTES and p.relative_to(ROOT).parts[0] != "models"]
    assert not bad, bad


@pytest.mark.parametrize("path", tracked(".md"), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


def test_readme_shows_the_commands_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    for command in ("scripts/quickstart", "scripts/test"):
        assert f"$ {command}" in readme, f"README does not show $ {command}"
        assert re.search(rf"^{command}$", ci, re.M), f".ci/run does not run {command} as README has it"
