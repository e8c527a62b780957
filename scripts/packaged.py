"""Which ONNX files in packages become models, and why the others do not.

    pip download --no-deps -d DOWNLOADS rapidocr-onnxruntime==1.4.4 nudenet==3.4.2
    python -m scripts.packaged DOWNLOADS --input 224x224x3

`--input` is for files that leave their input's size open.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from hubel.errors import HubelError, UsageError
from hubel.tasks.import_model import import_model

FORMATS = {".whl": "zip", ".zip": "zip", ".gz": "gztar"}


def imported(path: Path, volume: str, out: Path) -> str:
    """How an ONNX file is imported: its report, or why not."""
    out.unlink(missing_ok=True)
    try:
        try:
            return import_model(path, out=out).report
        except UsageError as error:
            if "give their size" not in str(error):
                raise
            return import_model(path, out=out, volume=volume).report
    except HubelError as error:
        return f"no: {str(error).removeprefix(f'{path}: ')}"


def main() -> None:
    """Prints a line for each file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--input", default="224x224x3")
    arguments = parser.parse_args()
    for package in sorted(arguments.folder.iterdir()):
        if package.suffix not in FORMATS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(package, folder, FORMATS[package.suffix])
            for path in sorted(Path(folder).rglob("*.onnx")):
                print(f"{package.name}: {path.name}: {imported(path, arguments.input, Path(folder, 'm'))}")


if __name__ == "__main__":
    main()
