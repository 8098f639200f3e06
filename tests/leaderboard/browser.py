"""A headless Chromium with its driver, both as they are installed; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)
SERIOUS = ("serious", "critical")


class NoBrowserError(Exception):
    """What is missing, and how to get it."""


def start(folder: Path) -> Any:
    """A driver.

    Args:
        folder: for the browser's profile.

    Raises:
        NoBrowserError: browser, driver or Selenium is not installed.
    """
    try:
        from selenium import webdriver
    except ImportError as error:
        raise NoBrowserError("Selenium is not installed: kbbench[dev]") from error
    browser, driver = (
        next(filter(None, map(shutil.which, names)), None) for names in (BROWSERS, DRIVERS)
    )
    if browser is None or driver is None:
        raise NoBrowserError("no Chromium with its driver: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (*ARGUMENTS, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    return webdriver.Chrome(options=options, service=service)


def look(driver: Any, width: int = 1280, height: int = 900, dark: bool = False) -> None:
    """The size of the screen in pixels, and which colours its user prefers."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def complaints(driver: Any) -> list[str]:
    """What the browser said on its console since it was asked last, and scripts' errors."""
    return [entry["message"] for entry in driver.get_log("browser")]


def violations(driver: Any) -> list[str]:
    """Serious and critical findings of axe-core on the page."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core is not installed: kbbench[dev]")
    driver.execute_script((Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    result = driver.execute_async_script(
        "axe.run(document, {preload: false}).then(arguments[arguments.length - 1])"
    )
    return [
        f"{item['id']}: {node['html'][:120]}"
        for item in result["violations"]
        if item["impact"] in SERIOUS
        for node in item["nodes"]
    ]
