"""The page /configure in a browser: by mouse, by keyboard, in light and dark, on a telephone."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from browser import PHONE
from command_line_test import glint

COMMAND = "document.getElementById('command')?.textContent"


def command_with(browser, part):
    return browser.until(f"the command has {part!r}", f"{COMMAND}?.includes({json.dumps(part)}) && {COMMAND}")


@pytest.fixture
def page(browser, server):
    browser.open(server.url + "/configure")
    command_with(browser, "glint serve zai-org/GLM-4.7-Flash")
    return browser


def typed(*flags):
    return json.loads(glint("configure", *flags, "--json").stdout)


def choose(page, name, value):
    page.one(f"label:has(input[name={name}][value='{value}'])").click()


def fill(page, name, text):
    field = page.one(f"input[name={name}]")
    field.clear()
    field.send_keys(text)


def test_shows_what_the_command_says(page):
    choose(page, "hardware", "h200")
    choose(page, "listen", "network")
    fill(page, "concurrency", "64")
    fill(page, "model", "my model")
    command = command_with(page, "'my model' --host")
    expected = typed("--hardware", "h200", "--listen", "network", "--concurrency", 64, "--model", "my model")
    assert command == expected["command"] and '--api-key "$GLINT_API_KEY"' in command
    assert page.texts("#not_yet li") == expected["not_yet"]
    assert f"{expected['memory']['kv_tokens']:,}" in page.one("#answer").text
    assert f"{round(expected['speed']['tokens_per_s']):,} tokens/s" in page.one("#speed").text
    assert page.texts("details li") == expected["speed"]["conditions"]
    choose(page, "mtp", "on")
    command_with(page, "--speculative")
    assert page.texts("#speed") == [] and "No speed is expected" in page.one("#answer").text


def test_shows_what_each_of_several_gpus_holds(page):
    choose(page, "tp", "2")
    command_with(page, "--tp 2")
    expected = typed("--hardware", "h100", "--tp", 2)
    memory = expected["memory"]
    assert page.texts("h2")[1] == f"Memory of each of 2 GPUs, {memory['device']}, 79.2 GiB"
    assert page.texts("#memory td")[0] == f"{memory['weights_bytes'] / 2**30:.1f} GiB" == "28.0 GiB"
    assert f"Room for {memory['kv_tokens']:,} tokens" in page.one("#answer").text
    assert page.texts("#not_yet li") == expected["not_yet"] and "several GPUs" in expected["not_yet"][0]
    assert all(note in page.texts("#answer li") for note in expected["notes"])
    assert not page.all("#speed")


def test_marks_what_is_not_possible_yet(page):
    marked = set(page.run("return Array.from(document.querySelectorAll('.later input'), e => e.name + e.value)"))
    assert {"quantizationfp8", "tp2", "mtpon", "hardwareb200"} <= marked
    assert not marked & {"quantizationbf16", "tp1", "mtpoff", "hardwareh100"}


def test_refuses_with_the_sum_and_recovers(page):
    choose(page, "tp", "8")
    problem = page.one(".problem").text
    assert "20 / 8 attention heads" in problem and not page.all("#command")
    assert "Impossible" in page.texts("#announcement")[0]
    choose(page, "tp", "1")
    command_with(page, "--context-length 16384")
    assert not page.all(".problem")


def test_says_at_the_field_what_was_expected(browser, server):
    browser.open(server.url + "/configure")
    command_with(browser, "glint serve")
    fill(browser, "port", "70000")
    refusal = browser.one(".refusal")
    assert "expected a whole number from 1 to 65535" in refusal.text
    fill(browser, "port", "8000")
    command_with(browser, "--port 8000")
    assert not refusal.is_displayed()
    assert all("400 (Bad Request)" in line for line in browser.complaints())  # taken: the log's own lines of them


def test_works_from_the_keyboard_alone(page):
    for _ in range(12):
        page.press(Keys.TAB)
        if page.run("return document.activeElement.name") == "hardware":
            break
    assert page.run("return getComputedStyle(document.activeElement.parentElement).outlineStyle") == "solid"
    page.press(Keys.ARROW_RIGHT)
    assert page.run("return document.activeElement.value") == "h100-pcie"
    for _ in range(6):  # one stop a question
        page.press(Keys.TAB)
    page.press(Keys.ARROW_RIGHT)  # tools: off
    command_with(page, "--tool-call-parser none")
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.name") == "concurrency"
    page.chord(Keys.CONTROL, "a")
    page.press("300")
    command_with(page, "--max-running-requests 300")


def test_a_link_keeps_the_answers(page, server):
    fill(page, "context", "4096")
    command_with(page, "--context-length 4096")
    address = server.url + "/configure#context=4096"
    page.until("the address has it", f"location.href === '{address}'")
    page.open("about:blank")
    page.open(address + "&mtp=on")
    command_with(page, "EAGLE --context-length 4096")
    assert page.run("return document.getElementById('context').value") == "4096"


def test_the_command_is_copied(page):
    page.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.watch("#copy", "Copied")  # for a moment only
    page.one("#copy").click()
    page.until("it says so", "window.seen")
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == page.run(f"return {COMMAND}")


# What the browser paints, not what the style says: the corner of the page and its darkest or brightest text.
@pytest.mark.parametrize("scheme, paper, ink", [("light", "rgb(255, 255, 255)", 255), ("dark", "rgb(20, 23, 27)", 20)])
def test_follows_the_systems_colours(page, scheme, paper, ink):
    page.look(scheme=scheme)
    page.until("the colours are these", f"getComputedStyle(document.body).backgroundColor === '{paper}'")
    screenshot = page.driver.get_screenshot_as_png()
    assert screenshot.startswith(b"\x89PNG") and len(screenshot) > 20_000
    pixels = page.driver.execute_async_script(PAINTED, page.driver.get_screenshot_as_base64())
    assert pixels[0] == ink and abs(pixels[1] - ink) > 150


# The red of the corner, and the red in the picture that is furthest from it.
PAINTED = """
const done = arguments[1], image = new Image();
image.onload = () => {
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data, corner = data[0];
  let furthest = corner;
  for (let i = 0; i < data.length; i += 4)
    if (Math.abs(data[i] - corner) > Math.abs(furthest - corner)) furthest = data[i];
  done([corner, furthest]);
};
image.src = 'data:image/png;base64,' + arguments[0];
"""


def test_nothing_hangs_over_the_edge(page):
    fill(page, "model", "/a/very/long/path/" + "x" * 200)
    command_with(page, "xxx")
    page.check_fits()
    page.look()
    choose(page, "tp", "4")
    fill(page, "concurrency", "100000")
    assert "Not enough memory" in page.one(".problem").text
    page.check_fits()
    line_of_the_sum = """const text = document.querySelector('.problem').firstChild, range = new Range();
      range.setStart(text, text.data.indexOf('  left for'));
      range.setEnd(text, text.data.indexOf('\\n', range.startOffset));
      return new Set(Array.from(range.getClientRects(), box => box.top)).size"""
    assert page.run(line_of_the_sum) == 1


def test_on_a_phone_a_number_keeps_its_unit_and_a_flag_its_dashes(page):
    choose(page, "listen", "network")
    command_with(page, "--api-key")
    page.look(PHONE)
    lines = """return Array.from(document.querySelectorAll('.flag, td'), e => {
      const range = new Range();
      range.selectNodeContents(e);
      return range.getClientRects().length;
    })"""
    # A build without CUDA also says how to make one with it, by --preset.
    flags = [flag for flag in page.texts(".flag") if flag != "--preset"]
    assert flags == ["--api-key", "--api-key"] and page.texts("td")[0] == "55.8 GiB"
    assert set(page.run(lines)) == {1}


def test_a_name_is_never_read_as_html(page):
    fill(page, "model", "<img src=x onerror=alert(1)>")
    assert "'<img src=x onerror=alert(1)>'" in command_with(page, "<img")
    assert not page.all("#answer img")
