"""Scenarios that a program writes: a Python file whose ``build(...)`` returns what a scenario file would say.

    def build(tenants: int = 2, instances: int = 16) -> dict: ...

Its parameters are what ``--set`` sets; each has a default and is an int, float, bool or str by annotation.
What it returns goes through the same reading as any file, so a generator cannot make a scenario that is not
sound.

The program is the user's own, run with the user's rights, as a controller is.
"""

from __future__ import annotations

import inspect
import json
import runpy
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from sdn_lab.model.diagnostic import Diagnostic, InputError

GENERATOR = ".py"
_WORDS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def written_by(path: Path, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return the text of the scenario that the generator in *path* writes, and what to call it.

    Raises InputError: GEN001 no generator, GEN002 a setting that it does not have, GEN003 a value that it
    cannot take, GEN004 it failed.
    """
    build = _build(path)
    values = _values(path, inspect.signature(build, eval_str=True).parameters, settings)
    try:
        document = build(**values)
    except ValueError as error:
        _fail("GEN003", f"{path.stem} cannot be built: {error}")
    except Exception as error:  # noqa: BLE001 (somebody else's program)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _fail("GEN004", f"{path}, line {frame.lineno}: {type(error).__name__}: {error}")
    try:
        text = json.dumps(document, indent=1)  # JSON is YAML 1.2
    except (TypeError, ValueError) as error:
        _fail("GEN004", f"what build() in {path} returns is not a scenario: {error}")
    asked = ", ".join(f"{name}={value}" for name, value in settings.items())
    return text, f"{path.stem}({asked})"


def refuse_settings(path: Path) -> NoReturn:
    """Say that a file has none."""
    _fail("GEN002", f"'{path}' is no generator: it has no settings; leave --set out")


def _build(path: Path) -> Callable[..., Any]:
    try:
        build = runpy.run_path(str(path)).get("build")
    except OSError as error:
        _fail("GEN001", f"the generator {path} cannot be read: {error.strerror}")
    except SyntaxError as error:
        _fail("GEN004", f"{path}, line {error.lineno}: {error.msg}")
    except Exception as error:  # noqa: BLE001 (as above)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _fail("GEN004", f"{path}, line {frame.lineno}: {type(error).__name__}: {error}")
    if not callable(build):
        _fail("GEN001", f"{path} is no generator: it has no function build()")
    return build  # type: ignore[no-any-return]


def _values(
    path: Path, parameters: Mapping[str, inspect.Parameter], settings: Mapping[str, str]
) -> dict[str, Any]:
    problems: list[Diagnostic] = []
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in parameters:
            close = get_close_matches(name, parameters, n=1)
            had = ", ".join(f"{n}={p.default}" for n, p in parameters.items())
            problems.append(
                Diagnostic(
                    code="GEN002",
                    what=f"{path.stem} has no setting '{name}'",
                    why=f"its settings are {had}",
                    fix=f"did you mean '{close[0]}'?" if close else "",
                )
            )
            continue
        wanted = parameters[name].annotation
        try:
            values[name] = _read(text, wanted)
        except (ValueError, KeyError):
            kind = getattr(wanted, "__name__", str(wanted))
            problems.append(Diagnostic(code="GEN003", what=f"{name}={text}: this setting is of type {kind}"))
    if problems:
        raise InputError(tuple(problems))
    return values


def _read(text: str, wanted: Any) -> Any:
    if wanted is bool:
        return _WORDS[text.lower()]
    return wanted(text) if wanted in (int, float) else text


def _fail(code: str, what: str) -> NoReturn:
    raise InputError((Diagnostic(code=code, what=what),))
