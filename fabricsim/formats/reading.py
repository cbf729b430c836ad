"""Whatever a user names as a run: a result folder, or the log of a measured test; told by content, not by suffix."""

from __future__ import annotations

import json
from pathlib import Path

import fabricsim.formats.hccl_log as hccl_log
import fabricsim.formats.nccl_log as nccl_log
from fabricsim.data_folders import data_folder
from fabricsim.errors import Fault, InputError
from fabricsim.formats.measured import Log, LogRow
from fabricsim.result import Result

_KNOWN = "known: the text and the JSON of nccl-tests, the text of HCCL Test, a result folder"


def read_log(path: Path | str) -> Log:
    """Return the rows of a measured log; a name that is no file here may be one that ships.

    Raises InputError, with file and line, for one that cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        file = _shipped().get(str(path), file)
    if not file.is_file():
        shipped = f"; shipped: {', '.join(_shipped())}"
        raise InputError([Fault("there is no such file", _KNOWN + shipped, file=str(file))])
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError([Fault("is not text", _KNOWN, file=str(file))]) from None
    if text.lstrip().startswith("{"):
        return _json(text, str(file))
    if nccl_log.is_nccl_text(text):
        return nccl_log.read_text(text, str(file))
    if hccl_log.is_hccl_text(text):
        return hccl_log.read_text(text, str(file))
    raise InputError([Fault("is not a log that fabricsim knows", _KNOWN, file=str(file))])


def shipped_logs() -> dict[str, str]:
    """Return the published measurements that ship with the package: what each is, by the name of its file."""
    return {
        name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for name, path in _shipped().items()
    }


def _shipped() -> dict[str, Path]:
    return {path.name: path for path in sorted(data_folder("scenarios").glob("measured/*.txt"))}


def _json(text: str, file: str) -> Log:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError([Fault(f"is not JSON: {error.msg}", _KNOWN, file=file, line=error.lineno)]) from None
    return nccl_log.read_json(data, file)


def log_of(results: list[Result], source: str) -> Log | None:
    """Return results of one collective as a log, a row each; None where they are something else."""
    operations = [result.operations[0] for result in results if len(result.operations) == 1]
    kinds = {(operation.kind, operation.ranks) for operation in operations}
    if len(operations) != len(results) or len(kinds) != 1 or "busbw_Bps" not in operations[0].metrics:
        return None
    rows = tuple(
        LogRow(int(of["size_B"]), of["completion_time_s"], of["busbw_Bps"])
        for of in (operation.metrics for operation in operations)
    )
    return Log(source, operations[0].kind, operations[0].ranks, rows)
